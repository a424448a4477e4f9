"""Evidence: the few events that prove a finding, in strace notation, and the words a tool said about it."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from gotrace.events.model import Event, Output
from gotrace.events.strace import render
from gotrace.rules.finding import Evidence
from gotrace.trace.model import Span

MOST = 6
"""No finding shows more events than this."""


@dataclass(frozen=True, slots=True)
class Words:
    """A line that a tool wrote to its stderr, and where it began."""

    line: str
    found: re.Match[str]
    event: Output


def of(*events: Event | None) -> list[Evidence]:
    """The given events as evidence, by time, each once; None stands for one that was not seen."""
    known = sorted((e for e in events if e is not None), key=lambda event: (event.ts_ns, event.seq))
    told = {(event.pid, render(event)): event for event in reversed(known)}
    first = sorted(told.items(), key=lambda item: (item[1].ts_ns, item[1].seq))
    return [Evidence(event.ts_ns, pid, text, _kind(event)) for (pid, text), event in first[:MOST]]


def quoted(words: Words | None) -> Output | None:
    """A tool's line as an event of its own: tools write a line in pieces, a reader wants it whole."""
    return None if words is None else msgspec.structs.replace(words.event, text=words.line + "\n", truncated=False)


def sample(events: Sequence[Event], most: int = 3) -> list[Event]:
    """At most `most` of a series of alike events: the first ones and the last."""
    return list(events) if len(events) <= most else [*events[: most - 1], events[-1]]


def said(span: Span, pattern: re.Pattern[str]) -> Words | None:
    """The first line of this tool's stderr that the pattern is found in."""
    return next(_matching(span.output, pattern), None)


def all_said(spans: Iterable[Span], pattern: re.Pattern[str]) -> Iterator[Words]:
    """All lines of these tools' stderr that the pattern is found in."""
    for span in spans:
        yield from _matching(span.output, pattern)


def passed_on(span: Span, pattern: re.Pattern[str]) -> Words | None:
    """Such a line of this tool or, where its own words were not kept, of a tool above it that repeats them."""
    for speaker in (span, *span.ancestors()):
        words = said(speaker, pattern)
        if words is not None:
            return words
        if speaker is not span and speaker.build is not None and speaker is speaker.build.span:
            return None
    return None


def _matching(output: Sequence[Output], pattern: re.Pattern[str]) -> Iterator[Words]:
    starts: list[int] = []
    length = 0
    for part in output:
        starts.append(length)
        length += len(part.text)
    offset = 0
    for line in "".join(part.text for part in output).splitlines(keepends=True):
        text = line.rstrip("\r\n")
        found = pattern.search(text)
        if found is not None:
            began = bisect_right(starts, offset + found.start()) - 1
            yield Words(text, found, output[began])
        offset += len(line)


def _kind(event: Event) -> str:
    tag = event.__struct_config__.tag
    return tag if isinstance(tag, str) else type(event).__name__.lower()
