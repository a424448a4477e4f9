"""GT410: syscall.AllThreadsSyscall does nothing in a program with cgo."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Final

from gotrace.events.facets import Facet
from gotrace.rules import evidence, loaded_files, rebuild, steps
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.trace.crash import crashes
from gotrace.trace.model import Trace

_PART: Final = "calls on all threads"


class AllThreadsSyscall(Rule):
    """A program with cgo calls syscall.AllThreadsSyscall, which answers ENOTSUP there, whatever it is asked for.

    What it detects
    ---------------
    A Go program failed, without a crash, that was built with cgo and has the function syscall.AllThreadsSyscall
    (or AllThreadsSyscall6) linked in for itself: the linker leaves out what nobody calls. No system call is made, so
    that none can be seen to fail: it is a warning.

    Why it happens
    --------------
    Privileges, capabilities and many prctl(2) settings belong to a thread. AllThreadsSyscall sets them on all threads
    of Go's runtime. With cgo there may be threads that C code made and Go knows nothing of, so it refuses: ENOTSUP,
    "operation not supported". Without cgo the same program works. syscall.Setuid and its kin are not concerned.

    How to fix it
    -------------
    Build with CGO_ENABLED=0, or use kernel.org/pub/linux/libs/security/libcap/psx, whose C part makes the call on all
    threads, those of C as well.

    References
    ----------
    - https://pkg.go.dev/syscall?GOOS=linux#AllThreadsSyscall
    - https://pkg.go.dev/kernel.org/pub/linux/libs/security/libcap/psx
    """

    code = "GT410"
    name = "all-threads-syscall"
    severity = Severity.WARNING
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.PROBED})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each program that failed."""
        crashed = {id(crash.span) for crash in crashes(trace)}
        for fact in trace.facts_of("go_program"):
            if _PART not in loaded_files.words(fact, "parts"):
                continue
            span = next(
                (
                    one
                    for one in trace.spans
                    if one.process.pid == fact.pid and one.failed and loaded_files.absolute(one, one.exec.path)
                ),
                None,
            )
            if span is None or id(span) in crashed:
                continue
            program = loaded_files.binary(trace, span.process, fact.subject) or loaded_files.files(trace, span).program
            if not rebuild.uses_cgo(program):
                continue
            yield Finding(
                code=self.code,
                name=self.name,
                severity=self.severity,
                message=(
                    f"{loaded_files.name_of(span.exec.path)} calls syscall.AllThreadsSyscall and is built with cgo, "
                    "where that ends with ENOTSUP (operation not supported) in every case."
                ),
                span=span,
                evidence=evidence.of(fact, span.exit),
                fix=[
                    *rebuild.without_cgo(program, "Build it without cgo."),
                    Fix("Or make the call by kernel.org/pub/linux/libs/security/libcap/psx, on all threads."),
                ],
                confidence=0.6,
                explains=frozenset({steps.span_key(span)}),
            )
