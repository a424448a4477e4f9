"""Which failing calls a program ended by: the last ones of the thread that crashed, or of one that did not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from gotrace.events.errno import errno_numbers
from gotrace.events.model import Fact, SyscallError
from gotrace.rules import evidence
from gotrace.rules.evidence import Words
from gotrace.trace.crash import Crash, crashes
from gotrace.trace.model import Span, Trace

_SEARCHED: Final = errno_numbers("ENOENT", "ENOTDIR", "EINTR", "EINPROGRESS", "ENOTTY", "ENOTCONN")
_MOST: Final = 3
_SOON_NS: Final = 1_000_000_000
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


def endings(trace: Trace, errors: frozenset[int], said: re.Pattern[str] | None = None) -> list[Ending]:
    """The failed programs that ended by a call with one of these errors; `said`: how a runtime tells of it."""
    found = []
    for span in trace.spans:
        if not span.failed:
            continue
        crash = next((one for one in crashes(trace) if one.span is span), None)
        words = evidence.said(span, said) if said is not None else None
        told: set[tuple[str, int]] = set()
        for call in _last(span, crash, whole=words is not None):
            if crash is None and words is None and not _soon_over(span, call):
                continue
            if call.errno in errors and (call.syscall, call.errno) not in told:
                told.add((call.syscall, call.errno))
                alike = [one for one in span.errors if (one.syscall, one.errno) == (call.syscall, call.errno)]
                found.append(Ending(span, alike[0], crash, words, sum(one.repeat for one in alike)))
    return found


def one_of_each_program(found: Iterable[Ending]) -> Iterator[Ending]:
    """The first one of each program."""
    told: set[int] = set()
    for ending in found:
        if id(ending.span) not in told:
            told.add(id(ending.span))
            yield ending


def confinement(trace: Trace, span: Span) -> Fact | None:
    """What the process was allowed: a fact of its own, or what it inherited."""
    return next((one for one in trace.facts_of("confinement") if one.pid == span.process.pid), None)


def limit(trace: Trace, span: Span, name: str) -> tuple[int | None, int | None, bool]:
    """Soft and hard limit (None: none) of `nofile`, `nproc`, `as`, `stack`; and whether they are known at all."""
    fact = confinement(trace, span)
    limits = fact.data.get("limits") if fact is not None else None
    pair = limits.get(name) if isinstance(limits, dict) else None
    if not isinstance(pair, list | tuple) or len(pair) != 2 or not _own(trace, span):
        return None, None, False
    return pair[0], pair[1], True


def seen(trace: Trace, span: Span) -> Fact | None:
    """The same where it was read while the process lived: programs change it, and what was inherited is a guess."""
    fact = confinement(trace, span)
    return fact if fact is not None and fact.data.get("seen") else None


def trusted(trace: Trace, span: Span) -> Fact | None:
    """The same where it was read while the process lived, or where nothing stands for another than the inherited."""
    return confinement(trace, span) if _own(trace, span) else None


def _own(trace: Trace, span: Span) -> bool:
    """It was read while the process lived; or the program is the command itself, which nobody was there to change."""
    return seen(trace, span) is not None or (span.process is trace.root and len(span.process.spans) == 1)


def _soon_over(span: Span, call: SyscallError) -> bool:
    """A program that goes on after a refusal has another way, and fails by something else."""
    return span.end_ns is None or span.end_ns - call.ts_ns < _SOON_NS


def _last(span: Span, crash: Crash | None, *, whole: bool) -> list[SyscallError]:
    """The last failing calls, without those that look for a file; all of them where its runtime named the cause."""
    calls = [call for call in span.errors if call.errno not in _SEARCHED]
    if whole:
        return list(reversed(calls))
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
