"""Crashes: fatal signals with what they mean, whose code it was, and what that thread had done right before.

Go catches the signals of a fault: it prints its own traceback and exits with status 2, so that no signal kills the
process (runtime/signal_unix.go, sighandler and dieFromSignal). And a nil dereference that Go code recovers from is a
SIGSEGV as well, of which nothing follows. So what counts is how the process ended after its last such signal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gotrace.events.facets import Facet
from gotrace.events.model import Dlerror, Dlopen, Dlsym, Frame, Library, Signal, SyscallError
from gotrace.trace.failing import is_harmless
from gotrace.trace.model import Span, Trace

SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS = 4, 5, 6, 7, 8, 11, 31
_GO_EXIT_STATUS: Final = 2
_GO_SAYS: Final = re.compile(r"^(?:SIG[A-Z]+: |\[signal SIG|fatal error: |unexpected fault address)", re.MULTILINE)
_NULL_PAGE: Final = 4096
_SEGV_ACCERR: Final = 2
_STACK_REACH: Final = 1 << 20
"""A function with a large frame touches memory as far below the stack pointer, and the stack pointer may be behind."""
_LOOK_BACK: Final = 8
_TRACEBACK_NS: Final = 1_000_000_000
"""Go writes the stacks of all goroutines before it ends."""


class Meaning(StrEnum):
    """What a fault was."""

    NULL_CALL = "a function was called through a NULL pointer"
    UNRELOCATED_CALL = "an address was called that the loader has not relocated"
    WILD_CALL = "an address was called at which nothing is mapped"
    NULL_ACCESS = "a NULL pointer was dereferenced"
    STACK_OVERFLOW = "the thread's stack ran into its guard page"
    NOT_PERMITTED = "memory was touched in a way that its mapping does not permit"
    UNMAPPED = "memory was touched where nothing is mapped"
    BUS_ERROR = "a mapped file is shorter than its mapping"
    ILLEGAL_INSTRUCTION = "the processor does not know the instruction"
    ARITHMETIC = "an integer was divided by zero"
    ABORT = "the program aborted itself"
    SENT = "another process sent the signal"
    BAD_SYSTEM_CALL = "a seccomp filter forbids the system call"
    TRAP = "a breakpoint or trap instruction was executed"


@dataclass(frozen=True, slots=True)
class Crash:
    """One fatal signal."""

    signal: Signal
    span: Span
    meaning: Meaning
    library: Library | None
    """Where the fault is about code: the file whose code was meant (UNRELOCATED_CALL), or in which it happened."""
    linking: tuple[Dlopen | Dlsym | Dlerror, ...]
    """The last ones of the same thread before it, the newest last."""
    failures: tuple[SyscallError, ...]
    """The same of failing system calls."""

    @property
    def stack(self) -> tuple[Frame, ...]:
        """The frames, innermost first."""
        return self.signal.stack


def crashes(trace: Trace) -> list[Crash]:
    """The fatal signal of each image that one ended, in order."""
    return trace.once("crashes", lambda: [_crash(span, one) for span in trace.spans for one in _fatal(trace, span)])


def crash_of(trace: Trace, span: Span) -> Crash | None:
    """The crash that ended this image; None where none did."""
    return trace.once("crash_of", lambda: {id(crash.span): crash for crash in reversed(crashes(trace))}).get(id(span))


def _fatal(trace: Trace, span: Span) -> Iterator[Signal]:
    """The signal that ended this image, if one did."""
    if span.exit is None or not span.signals:
        return
    if span.exit.signal is not None:
        alike = [signal for signal in span.signals if signal.signal == span.exit.signal]
        # Go ends itself by the signal that it caught; the first of a row of the same is the one that counts.
        yield from alike[-1:] if not _caught_before(alike) else alike[:1]
    elif span.exit.status == _GO_EXIT_STATUS:
        heard = not trace.header.attached or Facet.STDERR_TEXT in trace.observes
        is_told = _told_by_go if heard else _right_before_the_end
        yield from [signal for signal in span.signals if signal.handled and is_told(span, signal)][-1:]


def _told_by_go(span: Span, signal: Signal) -> bool:
    """Go's runtime said so: a program may as well recover from it, and exit with 2 much later."""
    return any(part.ts_ns >= signal.ts_ns and _GO_SAYS.search(part.text) for part in span.output)


def _right_before_the_end(span: Span, signal: Signal) -> bool:
    """By ptrace an attachment does not observe what Go's runtime says; that says it at once, and ends the program."""
    return span.exit is not None and signal.code > 0 and 0 <= span.exit.ts_ns - signal.ts_ns < _TRACEBACK_NS


def _caught_before(signals: list[Signal]) -> bool:
    return len(signals) > 1 and signals[0].handled and not signals[-1].handled and signals[-1].code <= 0


def _crash(span: Span, signal: Signal) -> Crash:
    meaning, library = _meaning(span, signal)
    before = [event for event in span.linking if event.tid == signal.tid and event.ts_ns <= signal.ts_ns]
    failed = [
        call for call in span.errors if call.tid == signal.tid and call.ts_ns <= signal.ts_ns and not is_harmless(call)
    ]
    return Crash(signal, span, meaning, library, tuple(before[-_LOOK_BACK:]), tuple(failed[-_LOOK_BACK:]))


def _meaning(span: Span, signal: Signal) -> tuple[Meaning, Library | None]:
    here = _mapped(span, signal.ip, signal.ts_ns)
    if signal.code <= 0:
        own = signal.sender in (0, signal.pid, signal.ns_pid)
        return (Meaning.ABORT if own and signal.signal == SIGABRT else Meaning.SENT), here
    match signal.signal:
        case number if number == SIGILL:
            return Meaning.ILLEGAL_INSTRUCTION, here
        case number if number == SIGBUS:
            return Meaning.BUS_ERROR, here
        case number if number == SIGFPE:
            return Meaning.ARITHMETIC, here
        case number if number == SIGSYS:
            return Meaning.BAD_SYSTEM_CALL, here
        case number if number == SIGTRAP:
            return Meaning.TRAP, here
    if here is None and (signal.ip == signal.address or signal.access == "execute"):
        return _of_a_call(span, signal)
    return _of_an_access(signal), here


def _of_a_call(span: Span, signal: Signal) -> tuple[Meaning, Library | None]:
    if signal.ip < _NULL_PAGE and not _unrelocated(span, signal):
        return Meaning.NULL_CALL, None
    meant = _unrelocated(span, signal)
    return (Meaning.WILD_CALL, None) if meant is None else (Meaning.UNRELOCATED_CALL, meant)


def _of_an_access(signal: Signal) -> Meaning:
    if signal.address < _NULL_PAGE:
        return Meaning.NULL_ACCESS
    if signal.sp and abs(signal.sp - signal.address) < _STACK_REACH and signal.access != "execute":
        return Meaning.STACK_OVERFLOW
    return Meaning.NOT_PERMITTED if signal.code == _SEGV_ACCERR else Meaning.UNMAPPED


def _mapped(span: Span, address: int, ts_ns: int) -> Library | None:
    """The code that was mapped at an address at a time: the newest mapping there."""
    return next(
        (
            library
            for library in reversed(span.libraries)
            if library.ts_ns <= ts_ns and library.base <= address < library.base + library.size
        ),
        None,
    )


def _unrelocated(span: Span, signal: Signal) -> Library | None:
    """The library in whose file the called address lies within the code: the newest, without the program itself.

    Linkers number a library's addresses from 0, and code has the same distance from there as in the file, or a page or
    two more. The caller's own library is the first to be asked: a PLT calls through its own table.
    """
    callers = {frame.module for frame in signal.stack[1:3]}
    candidates = [one for one in reversed(span.libraries) if one.ts_ns <= signal.ts_ns and not _is_program(span, one)]
    inside = [one for one in candidates if signal.ip and one.offset <= signal.ip < one.offset + one.size]
    return next((one for one in inside if one.path in callers), next(iter(inside), None))


def _is_program(span: Span, library: Library) -> bool:
    return bool(span.libraries) and library.path == span.libraries[0].path
