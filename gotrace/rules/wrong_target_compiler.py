"""GT101: the C compiler makes code for another machine than the Go build."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

from gotrace.events.facets import Facet
from gotrace.events.model import Fact
from gotrace.events.quoted import split_quoted
from gotrace.events.tools import LAUNCHERS, Role
from gotrace.rules import evidence, fixes, includes, packages, steps, targets, toolchains
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.trace.compilers import wrapper_words
from gotrace.trace.model import Build, Span, Trace

_GO_MACHINE_FLAGS = {"-m64", "-m32", "-marm", "-mthreads", "-mabi=64", "-mabi=32", "-mabi=lp64d", "-maix64"}
"""What cmd/go and cmd/cgo add for a GOOS or GOARCH (gccMachine in src/cmd/cgo/gcc.go)."""
_IMAGINED_CC = re.compile(r"(CC|CXX)_(FOR_)?(TARGET$|\w+_\w+$)")
_FIRST_ERROR = re.compile(
    r"(?i)error: |no such instruction|unrecogni[sz]ed|unsupported|unknown (?:token|target|argument|option)"
    r"|incompatible|wrong format"
)
_VARIABLE_OF = {"g++": "CXX", "c++": "CXX", "clang++": "CXX", "gfortran": "FC"}
_AT_A_PLACE = re.compile(r":\d+:\s?\S")
"""The same in other languages: what tools say first is often a heading (`x.s: Assembler messages:`)."""
_ANY_LINE = re.compile(r"\S")


class WrongTargetCompiler(Rule):
    """The C compiler makes code for another machine than the Go build.

    What it detects
    ---------------
    A C compiler failed in a cgo build, and its target triple (`gcc -dumpmachine`, or `-target` of clang and zig) is
    not for the build's GOOS and GOARCH. Typical messages are `no such instruction: stp` from the assembler,
    `unrecognized command-line option '-marm'` (or `-m64`, `-mthreads`), and ld's `skipping incompatible`.

    Why it happens
    --------------
    GOARCH and GOOS choose Go's own compiler; they do not choose a C compiler. cgo runs what CC names, else `gcc` (or
    `clang` on some systems), and that is the compiler of the machine the build runs on. For arm64 Go passes no -m
    option, so that gcc starts as if all was well and only the assembler stumbles over runtime/cgo's first
    instruction. The other way round, an exported CC=aarch64-linux-gnu-gcc leaks into builds for this machine.
    Variables such as CC_linux_arm64, CC_FOR_TARGET and CC_FOR_linux_arm64 are not read by `go build`: the last two
    matter only while Go's own toolchain is built.

    How to fix it
    -------------
    Name the target's compiler in CC, for this one command, and turn cgo on, which is off by default in a cross build:

        CGO_ENABLED=1 GOARCH=arm64 CC=aarch64-linux-gnu-gcc go build ./...

    With C++ in the build, CXX needs the same. On Debian the compiler is in gcc-aarch64-linux-gnu, the C library's
    headers in libc6-dev-arm64-cross. `zig cc -target aarch64-linux-musl` is a compiler for many targets at once.

    References
    ----------
    - go doc cmd/cgo (CC, cross-compiling)
    - https://go.dev/issue/16801, https://go.dev/issue/28966, https://go.dev/issue/78626
    """

    code = "GT101"
    name = "wrong-target-compiler"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each target triple that a build used against its own target."""
        for build in trace.builds:
            wanted = targets.target(build)
            if wanted is None:
                continue
            failed = [s for s in build.spans if s.role is Role.CC and steps.broke_the_build(s) and not _inner(s)]
            by_triple: dict[str | None, list[Span]] = {}
            for span in failed:
                if self._is_wrong(span, targets.target_of(span) or wanted):
                    by_triple.setdefault(targets.triple_of(span), []).append(span)
            for triple, spans in by_triple.items():
                yield self._finding(trace, build, triple, spans)

    def _is_wrong(self, span: Span, wanted: targets.Platform) -> bool:
        triple = targets.triple_of(span)
        if triple is not None:
            return not targets.fits(triple, wanted)
        # An unknown compiler that refuses the very option that Go gives it for this target.
        refused = evidence.said(span, re.compile(r"[‘'`\"](-m[\w=]+)"))
        return refused is not None and refused.found[1] in _GO_MACHINE_FLAGS.intersection(span.argv)

    def _finding(self, trace: Trace, build: Build, triple: str | None, spans: list[Span]) -> Finding:
        first = spans[0]
        wanted = targets.target_of(first) or targets.target(build)
        makes = f"makes code for {triple}" if triple else "does not know that target's options"
        chosen = _why_chosen(trace, build, first)
        package = steps.package(first)
        message = f"The build is for {wanted}, but {_with_launcher(first)} {makes}: {chosen}"
        if package:
            message += f"; it failed on package {package}"
        part = next((s for s in first.descendants() if s.failed and s.role is not Role.COLLECT2), first)
        telling = (_FIRST_ERROR, _AT_A_PLACE, _ANY_LINE)
        words = next((w for p in telling for s in (part, first) if (w := evidence.said(s, p))), None)
        own_headers = {m.compiler: m for m in includes.missing_headers(trace)}
        # For another system even a header outside the C library comes with that system's compiler.
        elsewhere = wanted is not None and wanted.goos != "linux"
        explained = [s for s in spans if elsewhere or not _lacks_a_foreign_header(s, own_headers)]
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=message + ".",
            span=first,
            evidence=evidence.of(
                first.exec,
                part.exec if part is not first else None,
                evidence.quoted(words),
                part.exit,
                _own_word(trace, first),
            ),
            fix=_fixes(trace, build, first),
            confidence=1.0 if triple else 0.7,
            explains=frozenset(f"cc:{_command(span)}" for span in spans).union(
                *(steps.driver_keys(span) for span in explained or spans[:1])
            ),
        )


def _command(span: Span) -> str:
    """The compiler as a user would name it: the last part of its path, without its launcher; `zig cc` in both words."""
    words = wrapper_words(span)
    if not words:
        path = span.compiler.path if span.compiler is not None and span.compiler.path else None
        return (path or (span.argv[0] if span.argv else span.exec.path)).rpartition("/")[2]
    behind = span.argv[len(words)].rpartition("/")[2] if len(span.argv) > len(words) else ""
    zig = words[-1].rpartition("/")[2] in ("zig", "ziglang")
    return f"zig {behind}" if zig else behind


def _with_launcher(span: Span) -> str:
    words = [word.rpartition("/")[2] for word in (span.compiler.wrapper if span.compiler is not None else ())]
    launcher = next((word for word in words if word in LAUNCHERS), None)
    return f"{_command(span)} behind {launcher}" if launcher else _command(span)


def _inner(span: Span) -> bool:
    """Another compiler driver runs it: ccache its gcc, zig itself."""
    return any(above.role is Role.CC and above.failed for above in span.ancestors() if above.build is span.build)


def _variable_of(span: Span) -> str:
    """CC, CXX or FC: by what the compiler is called, without its target and version."""
    name = re.sub(r"-\d+(\.\d+)*$", "", _command(span).rpartition(" ")[2])
    return next(
        (variable for end, variable in _VARIABLE_OF.items() if re.search(rf"(^|-){re.escape(end)}$", name)), "CC"
    )


def _own_word(trace: Trace, span: Span) -> Fact | None:
    """What the compiler itself said it makes code for."""
    path = span.compiler.path if span.compiler else span.exec.path
    return next((fact for fact in trace.facts_of("compiler") if fact.subject == path), None)


def _why_chosen(trace: Trace, build: Build, span: Span) -> str:
    command, own = _command(span), _variable_of(span)
    for name in dict.fromkeys((own, "CC", "CXX", "FC")):
        value = build.env.get(name, "")
        if command.split()[-1] in (word.rpartition("/")[2] for word in split_quoted(value)):
            return f"{name}={value} chose it"
    if own == "CC" and toolchains.written(trace, build, "CC") and build.target.cc:
        return f"CC={build.target.cc}, set by `go env -w`, chose it"
    if build.env.get(own):
        return f"{own}={build.env[own]} chose it, which runs {command}"
    unread = sorted(name for name in build.env if _IMAGINED_CC.fullmatch(name))
    if unread:
        return f"{own} is not set, and go build does not read {' or '.join(unread)}"
    if own != "CC":
        language = "C++" if own == "CXX" else "Fortran"
        return f"{own} is not set, and neither CC nor GOOS and GOARCH choose a {language} compiler"
    return "CC is not set, and GOOS and GOARCH do not choose a C compiler"


def _fixes(trace: Trace, build: Build, span: Span) -> list[Fix]:
    found = fixes.use_compiler(trace, build)
    variable = _variable_of(span)
    return [*found, fixes.forget(variable)] if toolchains.written(trace, build, variable) else found


def _lacks_a_foreign_header(span: Span, missing: dict[Span, includes.MissingHeader]) -> bool:
    """It gave up at a header that is no part of the C library: the right compiler would miss it too."""
    own = [m for part, m in missing.items() if part is span or span in part.ancestors()]
    return any(not packages.is_libc_header(m.name) for m in own)
