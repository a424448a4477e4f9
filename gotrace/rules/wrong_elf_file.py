"""GT310: a library or a program that was made for another machine."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

from gotrace.events.errno import errno_name
from gotrace.events.facets import Facet
from gotrace.events.model import Exec, Fact
from gotrace.rules import evidence, fixes, loading, rebuild, steps
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.loaded_files import asker, binary, files, name_of
from gotrace.rules.loading import Missing
from gotrace.trace.model import Process, Span, Trace

_GOARCH: Final = {"x86_64": "amd64", "i386": "386", "aarch64": "arm64", "arm": "arm", "riscv64": "riscv64"}
_ALSO_RUNS: Final = {"x86_64": frozenset({"x86_64", "i386"})}
"""Machines whose programs a kernel runs beside its own."""


class WrongElfFile(Rule):
    """A shared library, or a program, is for another machine or of another class (32 or 64 bits), or no ELF file.

    What it detects
    ---------------
    A program needed a library, or opened one, and failed, though a file of that name lies in a folder in which its
    loader looked: that file is for another machine than the program, or it is no ELF file at all. Or execve(2) of a
    program ended with ENOEXEC, and the program is for another machine than this one.

    Why it happens
    --------------
    The kernel has one word for it, "Exec format error"; loaders have misleading ones. glibc passes over a library for
    another machine, looks on, and says at last "cannot open shared object file: No such file or directory"; for one of
    the other class it says "wrong ELF class", for what is no ELF file "invalid ELF header". An image for the wrong
    platform, a vendored library for one architecture only, a library that is a text (a linker script, a pointer of Git
    LFS, a saved page with an error) are how such files come there.

    How to fix it
    -------------
    Put a library for the machine of the program there, or remove the wrong one where a right one lies in another folder
    of the search. `file NAME` tells what a file is. Build the program for the machine on which it runs (GOARCH), or
    take the image of that platform.

    References
    ----------
    - ld.so(8), execve(2) (ENOEXEC); glibc's elf/dl-load.c (open_verify)
    - https://github.com/lvc/vtable-dumper/issues/9, https://github.com/troglobit/inadyn/issues/178
    """

    code = "GT310"
    name = "wrong-elf-file"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.FAILED_EXECS, Facet.LIBRARIES})
    consequence_of = ("library-of-another-libc",)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each library of each program, and for each program."""
        for span in trace.spans:
            for missing in loading.missing(trace, span) if span.failed else ():
                wrong = [one for one in loading.lay_on_the_way(trace, missing) if not loading.fits(trace, missing, one)]
                if wrong and wrong[0].get("machine") != _kind(files(trace, span).program):
                    yield self._of_library(trace, missing, wrong[0])
        for process in trace.processes:
            yield from self._of_programs(trace, process)

    def _of_library(self, trace: Trace, missing: Missing, wrong: Mapping[str, Any]) -> Finding:
        program = files(trace, missing.span).program
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=_message(missing, wrong, program),
            span=missing.span,
            evidence=evidence.of(
                *missing.tried[-1:],
                *loading.evidence_of(missing.opening),
                loading.words_of(missing),
                missing.fact,
                missing.span.exit,
            ),
            fix=_library_fixes(trace, missing, wrong, program),
            explains=frozenset({steps.span_key(missing.span)}),
        )

    def _of_programs(self, trace: Trace, process: Process) -> Iterator[Finding]:
        here = str(trace.header.host.get("machine", ""))
        span = asker(process)
        for attempt in process.failed_execs:
            if errno_name(attempt.error) != "ENOEXEC" or span is None or not span.failed:
                continue
            program = binary(trace, process, posixpath.join(span.exec.cwd or "", attempt.path))
            if program is not None and here and program.data.get("machine") not in _ALSO_RUNS.get(here, {here}):
                yield self._of_program(span, attempt, program, here)

    def _of_program(self, span: Span, attempt: Exec, program: Fact, here: str) -> Finding:
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=f"{attempt.path} is a program for {program.data.get('machine')}, and this machine is {here}.",
            span=span,
            evidence=evidence.of(attempt, program, span.exit),
            fix=_program_fixes(program, here),
            explains=frozenset({steps.span_key(span)}),
        )


def _kind(program: Fact | None) -> tuple[object, object]:
    return (program.data.get("machine"), program.data.get("bits")) if program is not None else (None, None)


def _message(missing: Missing, wrong: Mapping[str, Any], program: Fact | None) -> str:
    name = name_of(missing.span.exec.path)
    machine, bits = _kind(program)
    if wrong.get("machine") is None:
        wants = f"{name} {_wants(missing)} {missing.name}"
        return f"{wrong['path']} is no ELF file, so that the loader does not take it: {wants}."
    is_for = (
        f"{wrong['path']} is for {wrong['machine']} ({wrong['bits']} bits), and {name} is for {machine} ({bits} bits)"
    )
    if wrong.get("bits") == bits and missing.tried:
        return f"{is_for}: the loader passes over it, and says in the end that there is no such file."
    return f"{is_for}: the loader does not take it."


def _wants(missing: Missing) -> str:
    return "opens" if missing.opening is not None and missing.wanted_by is None else "needs"


def _library_fixes(trace: Trace, missing: Missing, wrong: Mapping[str, Any], program: Fact | None) -> list[Fix]:
    machine = _kind(program)[0]
    found = [Fix(f"Put one for {machine} in its place. `file {wrong['path']}` tells what it is.")]
    right = next((one for one in missing.found if loading.fits(trace, missing, one)), None)
    if right is not None:
        folder = str(right["path"]).rpartition("/")[0]
        before = (missing.span.exec.env or {}).get("LD_LIBRARY_PATH")
        rest = [one for one in (before or "").split(":") if one and posixpath.basename(one) != folder]
        command = fixes.rerun(trace, None, {"LD_LIBRARY_PATH": ":".join([folder, *rest])})
        found.append(Fix(f"Or have it look first in {folder}, where there is one for {machine}.", command))
    return found


def _program_fixes(program: Fact, here: str) -> list[Fix]:
    goarch = _GOARCH.get(here)
    if goarch is not None and rebuild.go_of(program):
        return [Fix(f"Build it for this machine (GOARCH={goarch}).", rebuild.again(program, f"GOARCH={goarch}"))]
    return [Fix(f"Take the one that is for {here}.")]
