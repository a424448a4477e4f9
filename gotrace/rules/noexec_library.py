"""GT314: a library or a program on a file system that forbids execution."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from gotrace.events.errno import errno_name
from gotrace.events.facets import Facet
from gotrace.events.model import Event, Exec, Fact
from gotrace.rules import evidence, fixes, loading, steps
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.loaded_files import asker, binary, name_of
from gotrace.rules.loading import Missing
from gotrace.trace.model import Process, Span, Trace

_EXECUTABLE = 4
"""PROT_EXEC of mmap(2)."""


class NoexecLibrary(Rule):
    """A shared library was loaded, or a program started, from a file system that is mounted with noexec.

    What it detects
    ---------------
    A program needed a library, or opened one, and failed; a file of that name, for the right machine, lies where its
    loader looked, on a file system mounted with noexec. Where all failing calls are seen, the mmap(2) with PROT_EXEC
    that ended with EPERM is shown. Or execve(2) of a program on such a file system ended with EACCES.

    Why it happens
    --------------
    noexec forbids to map code as well as to execute. /tmp, /dev/shm, /home, and volumes of hardened containers are
    often mounted so. Programs that unpack a library at run time and open it (plugins, extensions of a database)
    meet it there; the loader's words are "failed to map segment from shared object".

    How to fix it
    -------------
    Have the library lie, or be unpacked, where execution is allowed (TMPDIR chooses where most programs unpack). Or
    mount that file system without noexec.

    References
    ----------
    - mount(8) (noexec), mmap(2) (EPERM), execve(2) (EACCES)
    - https://github.com/xerial/snappy-java/issues/240, https://github.com/MightyPirates/OpenComputers/issues/452
    """

    code = "GT314"
    name = "noexec-library"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.FAILED_EXECS, Facet.LIBRARIES})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each library of each program, and for each program."""
        for span in trace.spans:
            for missing in loading.missing(trace, span) if span.failed else ():
                for file in loading.lay_on_the_way(trace, missing):
                    if file.get("noexec") and loading.fits(trace, missing, file):
                        yield self._of_library(trace, missing, file)
                        break
        for process in trace.processes:
            yield from self._of_programs(trace, process)

    def _of_library(self, trace: Trace, missing: Missing, file: Mapping[str, Any]) -> Finding:
        span, mount = missing.span, str(file["noexec"])
        refused = [call for call in span.errors if call.syscall == "mmap" and _is_code(call.args, call.errno)]
        events: list[Event | None] = [*loading.evidence_of(missing.opening), *refused[-1:], loading.words_of(missing)]
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=(f"{name_of(span.exec.path)} may not map the code of {file['path']}: {_mounted(mount)}."),
            span=span,
            evidence=evidence.of(*events, missing.fact, span.exit),
            fix=_fixes(trace, "the library", mount),
            explains=frozenset({steps.span_key(span)}),
        )

    def _of_programs(self, trace: Trace, process: Process) -> Iterator[Finding]:
        span = asker(process)
        for attempt in process.failed_execs:
            if errno_name(attempt.error) != "EACCES" or span is None or not span.failed:
                continue
            program = binary(trace, process, posixpath.join(span.exec.cwd or "", attempt.path))
            if program is not None and program.data.get("noexec"):
                yield self._of_program(trace, span, attempt, program)

    def _of_program(self, trace: Trace, span: Span, attempt: Exec, program: Fact) -> Finding:
        mount = str(program.data["noexec"])
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=f"{attempt.path} may not be executed: {_mounted(mount)}.",
            span=span,
            evidence=evidence.of(attempt, span.exit),
            fix=_fixes(trace, "the program", mount),
            explains=frozenset({steps.span_key(span)}),
        )


def _is_code(args: tuple[int, ...], errno: int) -> bool:
    return errno_name(errno) == "EPERM" and len(args) > 2 and bool(args[2] & _EXECUTABLE)


def _mounted(mount: str) -> str:
    return f"the file system on {mount} is mounted with noexec"


def _fixes(trace: Trace, what: str, mount: str) -> list[Fix]:
    command = fixes.privileged(trace, ("mount", "-o", "remount,exec", mount))
    return [
        Fix(f"Have {what} lie on a file system without noexec."),
        Fix(f"Or allow execution on {mount}, if that is not there for a reason.", command),
    ]
