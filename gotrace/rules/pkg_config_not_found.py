"""GT106: a package asks for pkg-config, which is not there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

from gotrace.events.errno import errno_name
from gotrace.events.facets import Facet
from gotrace.events.model import Event
from gotrace.rules import evidence, fixes, lookups, pkg_config, steps, targets
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.lookups import LookUp, Refused
from gotrace.trace.model import Build, Trace

_PACKAGE = re.compile(r"^(?P<package>\S+): exec: ")
_REFUSALS = {
    "ENOENT": "the interpreter that its first line names is not there",
    "ENOEXEC": "it is no program for this machine",
    "EACCES": "it may not be executed",
}


class PkgConfigNotFound(Rule):
    """A package has a `#cgo pkg-config:` line, and there is no pkg-config.

    What it detects
    ---------------
    The go command looked for pkg-config (or for what PKG_CONFIG names) in every folder of PATH, found it in none, and
    failed. There is no execve to be seen: Go asks stat(2) first, and never starts a program that is not there. Also a
    pkg-config that is there and that the kernel refuses to run.

    Why it happens
    --------------
    `#cgo pkg-config: NAME` in a Go file has the go command run pkg-config for the flags of a C library. Slim images
    have a compiler and no pkg-config: it comes neither with Go nor with gcc. Or PKG_CONFIG names a program for a
    cross build, such as aarch64-linux-gnu-pkg-config, that is not installed.

    How to fix it
    -------------
    Install it: `apt-get install pkg-config`; then the development package of the library as well, which holds its
    NAME.pc. Or set PKG_CONFIG to the one that is there.

    References
    ----------
    - go doc cmd/cgo (#cgo pkg-config, PKG_CONFIG)
    - go doc os/exec LookPath
    - https://github.com/h2non/bimg/issues/472, https://github.com/davidbyttow/govips/issues/459
    """

    code = "GT106"
    name = "pkg-config-not-found"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.FAILED_PATHS})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each build: the go command looks for pkg-config only when a package needs it."""
        for build in trace.builds:
            if not build.failed or not steps.broke_the_build(build.span):
                continue
            name = pkg_config.command(build)
            lack = lookups.in_vain(build.span, build, name) or lookups.refused(build.span, name)
            if lack is not None:
                yield self._finding(trace, build, lack)

    def _finding(self, trace: Trace, build: Build, lack: LookUp | Refused) -> Finding:
        words = lack.words if isinstance(lack, LookUp) else None
        found = _PACKAGE.match(words.line) if words is not None else None
        package = found["package"] if found else None
        proof: list[Event | None]
        if isinstance(lack, LookUp):
            proof = [*evidence.sample(lack.calls, 4), evidence.quoted(lack.words), build.span.exit]
        else:
            proof = [lack.attempt, build.span.exit]
        needed_by = f" (needed by the #cgo pkg-config line of package {package})" if package else ""
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=f"{_what_is_wrong(build, lack)}{needed_by}.",
            span=build.span,
            evidence=evidence.of(*proof),
            fix=_fixes(trace, build, lack),
            explains=frozenset(
                {steps.span_key(build.span), "pkg-config:"} | ({f"package:{package}"} if package else set())
            ),
        )


def _what_is_wrong(build: Build, lack: LookUp | Refused) -> str:
    chosen = f" (PKG_CONFIG={build.env['PKG_CONFIG']})" if build.env.get("PKG_CONFIG") else ""
    if isinstance(lack, Refused):
        return f"{lack.attempt.path}{chosen} cannot be executed: {_REFUSALS[errno_name(lack.attempt.error)]}"
    if "/" in lack.name:
        return f"There is no {lack.name}{chosen}, which was to be run as pkg-config"
    places = f"none of the {lack.folders} folders" if lack.folders > 1 else "no folder"
    return f"{lack.name}{chosen} is in {places} of PATH, where the go command looked for it"


def _fixes(trace: Trace, build: Build, lack: LookUp | Refused) -> list[Fix]:
    if isinstance(lack, Refused):
        return [Fix(f"Repair {lack.attempt.path}, or name another pkg-config in PKG_CONFIG.")]
    found: list[Fix] = []
    needed = targets.packages_of_command(lack.name)
    fix = fixes.install(trace, needed, f"Install {lack.name}") if needed else None
    found += [fix] if fix is not None else []
    if build.env.get("PKG_CONFIG"):
        text = "Or use the usual one, if it is installed."
        found.append(fixes.corrected(trace, build, {"PKG_CONFIG": pkg_config.DEFAULT}, text))
    return found or [Fix(f"Install {lack.name}, or name the one that is there in PKG_CONFIG.")]
