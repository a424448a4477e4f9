"""GT407: C code forked a Go program, and the copy went on to run Go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Final

from gotrace.events.facets import Facet
from gotrace.events.model import Exit
from gotrace.events.signals import signal_name
from gotrace.rules import evidence, loaded_files, rebuild, steps
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.trace.model import Process, Span, Trace

_HUNG_NS: Final = 1_000_000_000


class ForkFromCgo(Rule):
    """C code called fork() in a Go program, and the child, which has one thread only, hung.

    What it detects
    ---------------
    A Go program with cgo failed; a child of it executed nothing, did not come to an end by itself for more than a
    second, and was killed or left behind. Go's own os/exec executes at once. It is a warning: a child
    that runs C code alone may live as long as it likes.

    Why it happens
    --------------
    fork(2) copies the calling thread alone. Go's runtime has its scheduler, its collector and its network poller spread
    over several threads: in the child they are gone, while the runtime counts on them. The first goroutine that
    blocks, or the first collection, waits for ever. daemon(3) and libraries with fork servers do the same.

    How to fix it
    -------------
    Start another program: exec.Command, also of os.Executable() itself with an argument. Where C has to fork, have it
    call only what is async-signal-safe, and execve(2), in the child. Let systemd do what daemon(3) was for.

    References
    ----------
    - fork(2), signal-safety(7)
    - https://go.dev/issue/15538, https://go.dev/issue/227
    """

    code = "GT407"
    name = "fork-from-cgo"
    severity = Severity.WARNING
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.PROBED})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each program, however many copies of it hung."""
        told: set[int] = set()
        for process in trace.processes:
            span = _copied(process)
            if span is None or id(span) in told or not span.failed:
                continue
            if not rebuild.uses_cgo(loaded_files.files(trace, span).program):
                continue
            told.add(id(span))
            yield self._finding(span, process)

    def _finding(self, span: Span, process: Process) -> Finding:
        seconds = (process.end_ns - process.start_ns) / 1e9 if process.end_ns is not None else 0.0
        ended = f"until {_killed(process.exit)} after {seconds:.1f} s" if seconds else "when the program ended"
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=(
                f"C code in {loaded_files.name_of(span.exec.path)} forked the process; the copy, pid {process.pid}, "
                f"has one of Go's threads only, executed nothing, and was still there {ended}."
            ),
            span=span,
            evidence=evidence.of(process.exit, span.exit),
            fix=[
                Fix("Start a program in place of the fork: exec.Command, or os.Executable() with an argument."),
                Fix("Or have the child call nothing but async-signal-safe C functions, then execve()."),
            ],
            confidence=0.7,
            explains=frozenset({steps.span_key(span)}),
        )


def _copied(process: Process) -> Span | None:
    """The image that a process is a mere copy of, where it did not come to an end by itself in time."""
    parent = process.parent
    if process.spans or process.failed_execs or parent is None or not parent.spans:
        return None
    over = process.end_ns if process.end_ns is not None else parent.end_ns
    by_itself = process.exit is not None and process.exit.signal is None
    if by_itself or over is None or over - process.start_ns < _HUNG_NS:
        return None
    started = [span for span in parent.spans if span.start_ns <= process.start_ns]
    return started[-1] if started else None


def _killed(exit_: Exit | None) -> str:
    return f"{signal_name(exit_.signal)} ended it" if exit_ is not None and exit_.signal is not None else "it was left"
