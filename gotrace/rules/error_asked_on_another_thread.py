"""GT315: dlerror was asked on another thread than the one whose dlopen failed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Final

from gotrace.events.facets import Facet
from gotrace.events.model import Dlerror, Frame
from gotrace.rules import crashed, evidence, loading, rebuild, steps
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.loaded_files import files, name_of
from gotrace.trace.dynamic import Opening
from gotrace.trace.model import Span, Trace

_OF_CGO: Final = "C."
"""How calls that cgo has made begin (`gotrace.rules.crashed.function`)."""


class ErrorAskedOnAnotherThread(Rule):
    """A program asked dlerror(3) on another thread than the one whose dlopen(3) had failed, and was told nothing.

    What it detects
    ---------------
    The program gave up after a dlopen that returned NULL. The thread that had called it did not ask why as its next
    call of the loader; code of the same file asked within a second on another thread, and dlerror returned NULL there.
    Why the library did not come in is another finding, as far as it can be told.

    Why it happens
    --------------
    dlerror tells of the last failure of its own thread. A goroutine has no thread of its own: while a call of C lasts,
    Go's runtime may give its processor to another thread (after 20 microseconds, and dlopen takes longer than that),
    and the goroutine goes on with whichever thread is free then. So `C.dlopen` and the `C.dlerror` below it may run on
    two threads. It happens now and then, more often under load. The program then has no reason to print, or prints the
    one of some older failure of the other thread. For errno cgo does it right, `_, err := C.f()` reads it at once;
    dlerror it does not know.

    How to fix it
    -------------
    Call runtime.LockOSThread() before C.dlopen and runtime.UnlockOSThread() after C.dlerror: the goroutine keeps its
    thread meanwhile. Or call both in one C function, which returns a copy of the text. The same holds for dlsym and
    dlclose, and for every C library that keeps its last error for each thread.

    References
    ----------
    - dlerror(3) (the state is that of the thread), https://pkg.go.dev/runtime#LockOSThread
    - https://github.com/coreos/go-systemd/pull/431, https://github.com/NVIDIA/go-nvml/pull/69
    - Go's runtime/proc.go (retake)
    """

    code = "GT315"
    name = "error-asked-on-another-thread"
    severity = Severity.WARNING
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.DL_CALLS})
    infers_from_absence: ClassVar[frozenset[str]] = frozenset({"dlopen", "dlerror"})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each program: the last such dlopen, by which it ended."""
        for span in trace.spans:
            last = None
            for opening in loading.refused_openings(trace, span):
                if opening.asked_elsewhere is not None:
                    last = opening, opening.asked_elsewhere
            if last is not None:
                yield self._finding(trace, span, *last)

    def _finding(self, trace: Trace, span: Span, opening: Opening, asked: Dlerror) -> Finding:
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=_message(span, opening, asked),
            span=span,
            evidence=evidence.of(opening.call, asked, span.exit),
            fix=list(_fixes(trace, span, opening, asked)),
            confidence=0.9,
            explains=frozenset({steps.span_key(span)}),
        )


def _message(span: Span, opening: Opening, asked: Dlerror) -> str:
    program, library = name_of(span.exec.path), name_of(opening.call.filename or "")
    return (
        f"{program} opened {library} by {_function('dlopen', opening.call.caller)} on thread {opening.call.tid}, which "
        f"failed, and asked {_function('dlerror', asked.caller)} for the reason on thread {asked.tid}: that returned "
        f"NULL, because it tells of the failures of its own thread only. So {program} had no reason to tell."
    )


def _function(name: str, caller: Frame | None) -> str:
    """ "C.dlopen" where it was called from Go, else "dlopen (called by load_plugins)" where a name is known."""
    by = crashed.function(caller) if caller is not None and caller.symbol else ""
    if by == f"{_OF_CGO}{name}":
        return by
    return f"{name} (called by {by})" if by else name


def _fixes(trace: Trace, span: Span, opening: Opening, asked: Dlerror) -> Iterator[Fix]:
    callers = (opening.call.caller, asked.caller)
    of_go = any(crashed.function(caller).startswith(_OF_CGO) for caller in callers if caller is not None)
    if not of_go and not rebuild.go_of(files(trace, span).program):
        yield Fix("Call dlerror on the thread that called dlopen, right after it, and hand on a copy of its text.")
        return
    yield Fix(
        "Call both in one goroutine, runtime.LockOSThread() before C.dlopen and runtime.UnlockOSThread() after "
        "C.dlerror: it keeps its thread meanwhile."
    )
    yield Fix("Or call both in one C function, which returns a copy of the text: it runs on one thread.")
