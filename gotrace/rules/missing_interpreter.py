"""GT306: a program that names a loader which is not there."""

from __future__ import annotations

import posixpath
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files as resource
from typing import Any, ClassVar

from gotrace.events.errno import errno_name
from gotrace.events.facets import Facet
from gotrace.events.model import Exec, Fact
from gotrace.rules import evidence, fixes, rebuild, steps
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.loaded_files import asker, binary, flavour, name_of
from gotrace.trace.model import Process, Span, Trace


class MissingInterpreter(Rule):
    """A program could not be executed because the loader that it names is not there.

    What it detects
    ---------------
    execve(2) of a file that is there ended with ENOENT, and the file is an ELF program that names a loader (PT_INTERP)
    which does not exist, in the same root folder. Whoever asked for it failed.

    Why it happens
    --------------
    The kernel loads a dynamic program together with its loader, and has one error for both: "No such file or
    directory", "not found", "required file not found", though `ls` shows the program. A program that was linked with
    glibc names /lib64/ld-linux-x86-64.so.2, which images of Alpine, busybox and scratch do not have; one that was
    linked with musl names /lib/ld-musl-x86_64.so.1, which Debian and Fedora do not have. With cgo, which is on by
    default where there is a C compiler, each Go program that imports net or os/user is such a program.

    How to fix it
    -------------
    Build without cgo (CGO_ENABLED=0), link statically, build for the libc of the image, or take an image with that
    libc. A symbolic link from musl's loader to the name of glibc's is no way: what glibc alone has is missing then.

    References
    ----------
    - execve(2) (ENOENT), ld.so(8)
    - https://github.com/golang/go/issues/14713, https://github.com/gliderlabs/docker-alpine/issues/12
    """

    code = "GT306"
    name = "missing-interpreter"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.FAILED_EXECS})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each program."""
        for process in trace.processes:
            for attempt in process.failed_execs:
                span = asker(process)
                if errno_name(attempt.error) != "ENOENT" or span is None or not span.failed:
                    continue
                program = binary(trace, process, posixpath.join(span.exec.cwd or "", attempt.path))
                if program is not None and program.data.get("interpreter_there") is False:
                    yield self._finding(trace, span, attempt, process, program)

    def _finding(self, trace: Trace, span: Span, attempt: Exec, process: Process, program: Fact) -> Finding:
        loader = str(program.data.get("interpreter"))
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=(
                f"{attempt.path} is there, but the loader that it names is not: {loader}{_of_which(program)}. "
                "execve(2) says ENOENT for both."
            ),
            span=span,
            evidence=evidence.of(attempt, process.exit, span.exit),
            fix=_fixes(trace, program, loader),
            explains=frozenset({steps.span_key(span)}),
        )


def _of_which(program: Fact) -> str:
    libc = flavour(program)
    return f" (it was linked with {libc})" if libc in ("glibc", "musl") else ""


def _fixes(trace: Trace, program: Fact, loader: str) -> list[Fix]:
    name, libc = name_of(program.subject), flavour(program)
    found = rebuild.without_cgo(program, f"Build {name} without cgo: then it needs no loader.")
    if rebuild.uses_cgo(program):
        static = ("-ldflags", '-linkmode external -extldflags "-static"')
        setting = ("CGO_ENABLED=1", "CC=musl-gcc")
        text = "Or, where its C code is needed, link it statically with musl."
        found.append(Fix(text, rebuild.again(program, *setting, flags=static)))
    package = _packages().get(loader)
    install = (
        fixes.install(trace, [package], f"Or install {loader}") if package and not _in_another_root(program) else None
    )
    if install is not None:
        return [*found, install]
    if libc in ("glibc", "musl"):
        other = "an image with glibc (Debian, distroless/base)" if libc == "glibc" else "an image with musl (Alpine)"
        found.append(Fix(f"Or run it in {other}, or build it in the image in which it has to run."))
    return found or [Fix(f"Install the libc that {loader} belongs to, or link {name} statically.")]


def _in_another_root(program: Fact) -> bool:
    return bool(program.data.get("root"))


@cache
def _packages() -> dict[str, str]:
    text = resource("gotrace.rules").joinpath("data/loaders.toml").read_text(encoding="utf-8")
    data: dict[str, Any] = tomllib.loads(text)
    return dict(data["debian"])
