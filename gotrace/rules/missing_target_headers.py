"""GT102: a compiler for the target without the target's libc headers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from gotrace.events.facets import Facet
from gotrace.rules import evidence, fixes, includes, packages, search_path, steps, targets, toolchains
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.includes import MissingHeader
from gotrace.trace.model import Build, Trace


class MissingTargetHeaders(Rule):
    """The C compiler is right for the target, but the target's C library headers are not installed.

    What it detects
    ---------------
    In a build for another platform the compiler fits the target and gives up at a header of the C library or of the
    kernel (stdlib.h, errno.h, bits/libc-header-start.h), which it looked for in all its folders.

    Why it happens
    --------------
    A cross compiler and the C library of its target are two packages, and installers often bring only the first.
    GOARCH=386 is a special case: gcc for x86-64 makes 32-bit code by itself (-m32) and finds /usr/include/stdlib.h,
    which then includes a header that only the 32-bit library has.

    How to fix it
    -------------
    Install the target's C library for development: libc6-dev-arm64-cross beside gcc-aarch64-linux-gnu,
    libc6-dev-armhf-cross beside gcc-arm-linux-gnueabihf. For GOARCH=386 with the machine's own gcc: gcc-multilib
    (on Debian it cannot be installed beside cross compilers; gcc-i686-linux-gnu with libc6-dev-i386-cross and
    CC=i686-linux-gnu-gcc is the other way).

    References
    ----------
    - go doc cmd/cgo (cross-compiling)
    - Debian package libc6-dev-arm64-cross
    - https://gcc.gnu.org/onlinedocs/gcc/Directory-Options.html (where gcc looks for headers)
    """

    code = "GT102"
    name = "missing-target-headers"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.FAILED_PATHS})
    consequence_of = ("wrong-target-compiler",)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each compiler of a build, however many headers and packages it fails on."""
        seen: dict[tuple[int, str], Finding] = {}
        for missing in includes.missing_headers(trace):
            build = missing.compiler.build
            if build is None or not lacks_target_headers(missing):
                continue
            triple = targets.triple_of(missing.compiler) or ""
            first = seen.get((id(build), triple))
            keys = steps.driver_keys(missing.compiler) | {f"header:{missing.name}"}
            if first is not None:
                first.explains |= keys
                continue
            seen[id(build), triple] = self._finding(trace, build, missing, triple, keys)
        yield from seen.values()

    def _finding(
        self, trace: Trace, build: Build, missing: MissingHeader, triple: str, keys: frozenset[str]
    ) -> Finding:
        compiler = steps.driver(missing.compiler)
        name = (compiler.argv[0] if compiler.argv else compiler.exec.path).rpartition("/")[2]
        message = (
            f"{name} can make code for {targets.target(build)}, but the C library headers of that target are missing: "
            f"{missing.name} is in none of the {len(missing.folders)} folders it searched"
        )
        package = steps.package(missing.compiler)
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=message + (f" (package {package})." if package else "."),
            span=missing.compiler,
            evidence=evidence.of(
                compiler.exec,
                *evidence.sample(missing.calls),
                evidence.quoted(missing.words),
                missing.compiler.exit,
            ),
            fix=_fixes(trace, build, triple, missing.name),
            confidence=1.0 if missing.words is not None else 0.8,
            explains=keys,
        )


def lacks_target_headers(missing: MissingHeader) -> bool:
    """A header of libc is missing for another platform than this machine, and the compiler is not to blame."""
    span = missing.compiler
    if span.build is None or not targets.crosses(span.build):
        return False
    if search_path.hosts_folder(missing) or search_path.other_root(missing):
        return False
    wanted, triple = targets.target(span.build), targets.triple_of(span)
    if wanted is None or wanted.goos != "linux" or triple is None or "musl" in triple:
        return False
    return targets.fits(triple, wanted) and packages.is_libc_header(missing.name)


def _fixes(trace: Trace, build: Build, triple: str, header: str) -> list[Fix]:
    wanted = targets.target(build)
    with_cxx = fixes.uses_cxx(build)
    toolchain = targets.toolchain_of_triple(triple)
    if toolchain is not None:
        fix = fixes.install(trace, [toolchain.libc_package], f"Install the C library headers for {wanted}")
    elif wanted is not None and wanted.goarch == "386" and triple.startswith(("x86_64", "amd64")):
        names = targets.multilib_packages(cxx=with_cxx)
        why = "Install the 32-bit C library for this machine's gcc (Debian's cross compilers cannot stay beside it)"
        fix = fixes.install(trace, names, why)
        cross = targets.toolchain_for(build)
        if cross is not None and toolchains.has(trace, cross.cc):
            # The other way would throw this compiler out.
            return [*fixes.use_compiler(trace, build), *([fix] if fix is not None else [])]
        if fix is not None:
            return [fix, *fixes.use_compiler(trace, build)]
    else:
        fix = None
    return [fix or Fix(f"Install the C library headers of {wanted} for {triple}; the missing file is {header}.")]
