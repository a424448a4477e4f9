"""What a program's run ended by, in a sentence: its crash, or what Go's runtime said of it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from gotrace.events.errno import NUMBERS
from gotrace.events.facets import Facet
from gotrace.events.model import Frame
from gotrace.events.running import source_line
from gotrace.events.signals import signal_name
from gotrace.reports.ending import ending_of
from gotrace.reports.escape import safe_line
from gotrace.reports.wording import cut, end_of
from gotrace.rules import crashed
from gotrace.rules.steps import broke_the_build
from gotrace.trace.crash import SIGABRT, Crash, Meaning, crash_of, crashes
from gotrace.trace.model import Span, Trace

_SIGPIPE: Final = 13
_STATUS_OF_SIGPIPE: Final = 128 + _SIGPIPE
"""What a shell makes of it, with pipefail."""
_STATUS_OF_A_PANIC: Final = 2
_GO_SAYS: Final = re.compile(r"^(panic|fatal error): (.+)$", re.MULTILINE)
"""runtime/panic.go: printpanics and fatalthrow write so, then the program exits with 2, or aborts itself."""
_OF_A_SIGNAL: Final = frozenset({"unexpected signal during runtime execution", "fault"})
"""Fatal errors by which Go's runtime says no more than that there was a signal (runtime/signal_unix.go)."""
_STREAMS: Final = {1: "standard output", 2: "standard error"}
_LONGEST: Final = 200
_KINDS: Final = {"c": "C function ", "go": "Go function "}


def headline(trace: Trace) -> str:
    """As in "app crashed: SIGSEGV, a NULL pointer was dereferenced, in C function deref (libx.so)".

    Empty where nothing of the kind ended the command, or made it fail.
    """
    if not trace.header.running or not ending_of(trace).failed:
        return ""
    failed = sorted(filter(broke_the_build, trace.spans), key=lambda span: span.end_ns or 0, reverse=True)
    told = ((span, _told(trace, span)) for span in failed)
    span, sentence = next(((span, one) for span, one in told if one), (None, ""))
    if span is None or span.process is trace.root:
        return sentence
    ending = ending_of(trace)
    was = "was " if ending.signal is not None else "ended with "
    return f"{sentence}; the command {was}{end_of(ending.exit, ending.signal)}"


def crashed_while_it_runs(trace: Trace) -> str:
    """The same of the last process that crashed below a program that runs on; empty for none."""
    own = [crash for crash in crashes(trace) if crash.meaning is not Meaning.SENT]
    return _crashed(own[-1]) if own else ""


def _told(trace: Trace, span: Span) -> str:
    crash = crash_of(trace, span) if Facet.SIGNALS in trace.observes else None
    if Facet.STDERR_TEXT in trace.observes and (panicked := _panicked(span, crash)):
        return panicked
    counts = span.process is trace.root or ending_of(trace).exit == _STATUS_OF_SIGPIPE  # else it is but a pipeline
    gone = _without_reader(span) if counts else ""
    return gone or (_crashed(crash) if crash is not None else "")


def _panicked(span: Span, crash: Crash | None) -> str:
    """What Go's runtime said of a panic or a fatal error, where the program ended by it."""
    if span.exit is None or not (span.exit.status == _STATUS_OF_A_PANIC or span.exit.signal == SIGABRT):
        return ""
    said = [found for found in _GO_SAYS.finditer(span.stderr) if found[2] not in _OF_A_SIGNAL]
    if not said:
        return ""
    kind, text = said[-1].groups()
    how = "panicked" if kind == "panic" else "was ended by Go's runtime"
    within = crashed.go_caller(crash) if crash is not None else ""
    return f"{_name(span)} {how}: {cut(safe_line(text), _LONGEST)}{_in_go(within)}"


def _in_go(function: str) -> str:
    return f", in Go function {safe_line(function)}" if function else ""


def _without_reader(span: Span) -> str:
    """A writer into a pipe that nobody reads any more: what every `| head` does to it."""
    if span.exit is None or span.exit.signal != _SIGPIPE:
        return ""
    broken = [call for call in span.errors if call.errno == NUMBERS["EPIPE"] and call.args]
    stream = _STREAMS.get(broken[-1].args[0]) if broken else None
    reader = f"the reader of its {stream}" if stream else "the reader of a pipe that it wrote to"
    return f"{reader} went away (SIGPIPE), which ended {_name(span)}"


def _crashed(crash: Crash) -> str:
    name = signal_name(crash.signal.signal)
    if crash.meaning is Meaning.SENT:
        by = f", which process {crash.signal.sender} sent" if crash.signal.sender else ""
        return f"{_name(crash.span)} was ended by {name}{by}"
    return f"{_name(crash.span)} crashed: {name}, {crash.meaning}{_place(crash)}"


def _place(crash: Crash) -> str:
    """Where it was: the innermost function, the first one outside of libc, the Go function that called into C."""
    known = [frame for frame in crash.stack if frame.module]
    if not known:
        return ""
    go = crashed.go_frame(crash)
    if known[0].origin == "go":
        return _in_go(_with_line(go or known[0]))
    called = crash.stack[0] is not known[0]  # the fault was at an address where nothing is
    told = [f"{'called by' if called else 'in'} {_function(known[0])}"]
    if known[0].origin == "libc":
        above = _outside_libc(known)
        told += [f"called by {_function(above)}"] if above is not None and above.origin != "go" else []
    told += [f"called by {safe_line(_with_line(go))}"] if go is not None else []
    return f", {', '.join(told)}"


def _with_line(frame: Frame) -> str:
    line = source_line(frame)
    return f"{frame.symbol} ({line})" if line else frame.symbol


def _outside_libc(frames: Iterable[Frame]) -> Frame | None:
    return next((frame for frame in frames if frame.origin not in ("libc", "")), None)


def _function(frame: Frame) -> str:
    if not frame.symbol:
        return safe_line(frame.module.rpartition("/")[2] if frame.origin == "libc" else crashed.function(frame))
    name = crashed.function(frame)
    kind = "" if name.startswith("C.") else _KINDS.get(frame.origin, "")
    return safe_line(f"{kind}{name} ({frame.module.rpartition('/')[2]})")


def _name(span: Span) -> str:
    return safe_line(span.program)
