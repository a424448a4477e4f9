"""Which failing calls a program ended by: the last ones of the thread that crashed, or of one that did not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from gotrace.events.errno import errno_numbers
from gotrace.events.model import Fact, SyscallError
from gotrace.rules import evidence, survived
from gotrace.rules.evidence import Words
from gotrace.trace.crash import Crash, crash_of
from gotrace.trace.model import Span, Trace

_SEARCHED: Final = errno_numbers("ENOENT", "ENOTDIR", "EINTR", "EINPROGRESS", "ENOTTY", "ENOTCONN")
_MOST: Final = 3
_SOON_NS: Final = 1_000_000_000
"""Of words: Go's runtime writes the stacks of all goroutines between them and the end."""
CERTAIN, LIKELY, POSSIBLE = 1.0, 0.9, 0.8


@dataclass(frozen=True, slots=True)
class Ending:
    """A failed program and a failing call that it ended by."""

    span: Span
    call: SyscallError
    crash: Crash | None
    words: Words | None
    """What its runtime said of it."""
    count: int
    """How many such calls it made (same call, same error)."""
    at_once: bool = True
    """It ended so soon after the last of them that nothing else can have come between."""
    later_ns: int = 0
    """How long after the last of them it ended."""

    @property
    def sure(self) -> float:
        """How sure it is that it ended by this call."""
        if self.words is not None:
            return CERTAIN
        return LIKELY if self.crash is not None else POSSIBLE

    @property
    def program(self) -> str:
        """Its name."""
        return self.span.exec.path.rpartition("/")[2]


def endings(
    trace: Trace, errors: frozenset[int], said: re.Pattern[str] | None = None, *, later: bool = False
) -> list[Ending]:
    """The failed programs that ended by a call with one of these errors; `said`: how a runtime tells of it.

    `later`: also those that ended within a second, where nothing speaks against it.
    """
    found = []
    for span in trace.spans:
        if not span.failed or survived.ended_from_outside(span):
            continue
        crash = crash_of(trace, span)
        words = _last_words(span, said) if said is not None else None
        told: set[tuple[str, int]] = set()
        for call in _last(span, crash, words):
            if call.errno not in errors or (call.syscall, call.errno) in told:
                continue
            told.add((call.syscall, call.errno))
            ending = _ending(span, call, crash, words)
            if ending.at_once or (later and crash is None and ending.later_ns < _SOON_NS):
                found.append(ending)
    return found


def _ending(span: Span, call: SyscallError, crash: Crash | None, words: Words | None) -> Ending:
    calls = alike(span, call)
    end_ns = crash.signal.ts_ns if crash is not None else span.end_ns
    later_ns = end_ns - call.ts_ns if end_ns is not None else 0
    if words is not None:
        at_once = True
    elif crash is not None:
        at_once = later_ns < survived.AT_ONCE_NS
    elif survived.went_on(span, call):
        at_once, later_ns = False, _SOON_NS
    else:
        at_once = survived.ended_at_once(span, call)
    return Ending(span, calls[0], crash, words, sum(one.repeat for one in calls), at_once, later_ns)


def _last_words(span: Span, said: re.Pattern[str]) -> Words | None:
    """The last such line, where the program ended soon after: who says `too many open files` may live on for days."""
    words = next(reversed(list(evidence.all_said([span], said))), None)
    if words is None or (span.end_ns is not None and span.end_ns - words.event.ts_ns > _SOON_NS):
        return None
    return words


def one_of_each_program(found: Iterable[Ending]) -> Iterator[Ending]:
    """The first one of each program."""
    told: set[int] = set()
    for ending in found:
        if id(ending.span) not in told:
            told.add(id(ending.span))
            yield ending


def confinement(trace: Trace, pid: int) -> Fact | None:
    """What the process was allowed: a fact of its own, or what it inherited."""
    return next((one for one in trace.facts_for("confinement", pid) if one.pid == pid), None)


def filtered(trace: Trace, pid: int) -> bool:
    """A seccomp filter is known to have been on the process."""
    fact = confinement(trace, pid)
    return fact is not None and fact.data.get("seccomp") == "filter"


def alike(span: Span, call: SyscallError) -> list[SyscallError]:
    """All of its failing calls of that name with that error, in order."""
    return [one for one in span.errors if (one.syscall, one.errno) == (call.syscall, call.errno)]


def told_of(trace: Trace, span: Span, *names: str) -> Fact | None:
    """Of what was read while the process lived only these, for evidence: "limits.nofile" or "capabilities"."""
    fact = seen(trace, span)
    if fact is None:
        return None
    limits = fact.data.get("limits")
    known = {
        **fact.data,
        **{f"limits.{name}": pair for name, pair in (limits if isinstance(limits, dict) else {}).items()},
    }
    wanted = {name.removeprefix("limits."): known[name] for name in names if name in known}
    return replace(fact, data=wanted) if wanted else None


def limit(trace: Trace, span: Span, name: str) -> tuple[int | None, int | None, bool]:
    """Soft and hard limit (None: none) of `nofile`, `nproc`, `as`, `stack`; and whether they are known at all."""
    fact = confinement(trace, span.process.pid)
    limits = fact.data.get("limits") if fact is not None else None
    pair = limits.get(name) if isinstance(limits, dict) else None
    if not isinstance(pair, list | tuple) or len(pair) != 2 or not _own(trace, span):
        return None, None, False
    return pair[0], pair[1], True


def seen(trace: Trace, span: Span) -> Fact | None:
    """The same where it was read while the process lived: programs change it, and what was inherited is a guess."""
    fact = confinement(trace, span.process.pid)
    return fact if fact is not None and fact.data.get("seen") else None


def trusted(trace: Trace, span: Span) -> Fact | None:
    """The same where it was read while the process lived, or where nothing stands for another than the inherited."""
    return confinement(trace, span.process.pid) if _own(trace, span) else None


def _own(trace: Trace, span: Span) -> bool:
    """It was read while the process lived; or the program is the command itself, which nobody was there to change."""
    return seen(trace, span) is not None or (span.process is trace.root and len(span.process.spans) == 1)


def _last(span: Span, crash: Crash | None, words: Words | None) -> list[SyscallError]:
    """The last failing calls, without those that look for a file; those right before the words that name the cause."""
    calls = [call for call in span.errors if call.errno not in _SEARCHED]
    if words is not None:
        said_ns = words.event.ts_ns
        return [call for call in reversed(calls) if 0 <= said_ns - call.ts_ns < _SOON_NS]
    if crash is not None:
        calls = [call for call in calls if call.tid == crash.signal.tid and call.ts_ns <= crash.signal.ts_ns]
    last: list[SyscallError] = []
    for call in reversed(calls):
        if last and (call.syscall, call.errno) == (last[-1].syscall, last[-1].errno):
            continue
        last.append(call)
        if len(last) == _MOST:
            break
    return last
