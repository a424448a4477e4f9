"""Compares what an act did with what its scenario expects."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gotrace.events.errno import errno_name
from gotrace.events.model import KnownEvent
from gotrace.events.signals import SIGNALS
from gotrace.events.strace import render
from gotrace.scenario.model import EventPattern, Expectation
from gotrace.scenario.result import DIAGNOSIS

_SHOWN = 400


@dataclass(frozen=True, slots=True)
class Seen:
    """What an act did: how the command ended, what was printed, and what gotrace said and recorded."""

    exit: int | None
    signal: int | None
    output: str
    report: Mapping[str, Any] = field(default_factory=dict)
    events: Sequence[KnownEvent] = ()

    @property
    def findings(self) -> tuple[str, ...]:
        """The names of the root causes."""
        return tuple(str(finding["name"]) for finding in self.report.get("findings", ()))


def shortfalls(expected: Expectation, seen: Seen) -> Iterator[str]:
    """A sentence for each thing that is not as expected."""
    yield from _of_the_end(expected, seen)
    for pattern in expected.output:
        if not re.search(pattern, seen.output, re.MULTILINE):
            yield f"output: nothing matches {pattern!r} in: {_tail(seen.output)}"
    for pattern in expected.not_output:
        if re.search(pattern, seen.output, re.MULTILINE):
            yield f"output: {pattern!r} must not be there"
    yield from (f"{DIAGNOSIS}{one}" for one in _of_the_diagnosis(expected, seen))
    for event in expected.events:
        number = sum(1 for one in seen.events if matches(event, one))
        if number < event.least or (event.most is not None and number > event.most):
            most = "any number" if event.most is None else str(event.most)
            yield f"events: {number} of {_shown(event)}, expected {event.least} to {most}"


def _of_the_end(expected: Expectation, seen: Seen) -> Iterator[str]:
    if expected.signal is not None:
        name = SIGNALS.get(seen.signal or 0)
        if name != expected.signal:
            yield f"ended with {_end(seen)}, expected {expected.signal}"
    elif expected.exit is not None and seen.exit != expected.exit:
        yield f"ended with {_end(seen)}, expected exit status {expected.exit}: {_tail(seen.output)}"


def _end(seen: Seen) -> str:
    return f"exit status {seen.exit}" if seen.signal is None else str(SIGNALS.get(seen.signal, seen.signal))


def _of_the_diagnosis(expected: Expectation, seen: Seen) -> Iterator[str]:
    if not seen.report:
        yield "gotrace wrote no report"
        return
    if seen.findings != expected.findings:
        yield f"found {', '.join(seen.findings) or 'nothing'}, expected {', '.join(expected.findings) or 'nothing'}"
    message = str(seen.report["findings"][0]["message"]) if seen.findings else ""
    for pattern in expected.message:
        if not re.search(pattern, message):
            yield f"nothing matches {pattern!r} in the message: {message}"
    place = _place(seen.report["findings"][0]) if seen.findings else ""
    if expected.source is not None and not re.search(expected.source, place):
        yield f"nothing matches {expected.source!r} in the line that asked for it: {place or 'none is named'}"
    if lost := seen.report.get("lost"):
        yield f"events were lost: {lost}"


def _place(finding: Mapping[str, Any]) -> str:
    source = finding.get("source")
    return "" if source is None else f"{source['file']}:{source['line']}:{source['column']}: {source['text']}"


def matches(pattern: EventPattern, event: KnownEvent) -> bool:
    """Whether an event is what the pattern describes."""
    if type(event).__struct_config__.tag != pattern.kind:
        return False
    return all(re.search(wanted, _text(event, name), re.MULTILINE) for name, wanted in pattern.fields.items())


def _text(event: KnownEvent, name: str) -> str:
    """A field of an event as text; empty where it has none."""
    if name == "errno":
        number = getattr(event, "errno", getattr(event, "error", 0))
        return errno_name(number) if number else ""
    if name == "shown":
        return render(event)
    value = getattr(event, name, None)
    if value is None:
        return ""
    if name == "signal":
        return SIGNALS.get(value, str(value))
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _shown(pattern: EventPattern) -> str:
    return f"{pattern.kind}({', '.join(f'{name}={value!r}' for name, value in pattern.fields.items())})"


def _tail(text: str) -> str:
    text = " | ".join(line for line in text.splitlines() if line.strip())
    return text if len(text) <= _SHOWN else f"... {text[-_SHOWN:]}"


def first_line(shortfall: Iterable[str]) -> str:
    """The first shortfall, for a table."""
    return next(iter(shortfall), "")
