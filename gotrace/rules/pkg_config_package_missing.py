"""GT107: pkg-config does not know the package that a #cgo line names."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import ClassVar

from gotrace.events.facets import Facet
from gotrace.events.model import Event, SyscallError
from gotrace.rules import evidence, fixes, packages, pkg_config, steps, targets
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.pkg_config import LackedPackage
from gotrace.trace.model import Build, Span, Trace


class PkgConfigPackageMissing(Rule):
    """pkg-config found no NAME.pc for the package that a `#cgo pkg-config:` line names.

    What it detects
    ---------------
    A run of pkg-config failed; its failing opens show NAME.pc in no folder that it searched, and it names the package
    itself. Also a package that another one requires (`Requires: NAME` in its .pc file), and a search path none of
    whose folders exists.

    Why it happens
    --------------
    The .pc file comes with a library's development package; the library alone, which programs need to run, has none.
    A library that was installed by hand has its .pc file in a folder of its own, which PKG_CONFIG_PATH must name.
    PKG_CONFIG_LIBDIR replaces the usual folders: with it, what this machine has installed is out of sight.

    How to fix it
    -------------
    Install the development package: `apt-get install libvips-dev` for vips. If the file is there, name its folder:
    PKG_CONFIG_PATH=/folder. In a cross build the package for the target is needed, and PKG_CONFIG_LIBDIR to make
    pkg-config look into its folder. Package names come from Debian 12's package index of 2026-07-11, which ships with
    gotrace; where it knows none, only the file is named.

    References
    ----------
    - go doc cmd/cgo (#cgo pkg-config)
    - pkg-config(1) (PKG_CONFIG_PATH, PKG_CONFIG_LIBDIR)
    - https://github.com/h2non/bimg/issues/462, https://github.com/davidbyttow/govips/issues/27
    """

    code = "GT107"
    name = "pkg-config-package-missing"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.FAILED_PATHS})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each package, however many Go packages ask for it."""
        seen: dict[tuple[int, str], Finding] = {}
        for lack in pkg_config.lacked(trace):
            package = pkg_config.package(lack.asked)
            keys = frozenset(
                {steps.span_key(lack.asked), f"pkg-config:{lack.needed_by or lack.name}"}
                | ({f"package:{package}"} if package else set())
            )
            place = (id(lack.asked.build), lack.name)
            if place in seen:
                seen[place].explains |= keys
            else:
                seen[place] = self._finding(trace, lack, keys, package)
        yield from seen.values()

    def _finding(self, trace: Trace, lack: LackedPackage, keys: frozenset[str], package: str | None) -> Finding:
        elsewhere = _elsewhere(trace, lack)
        in_package = f" (asked for by package {package})" if package else ""
        fact = next((fact for fact in trace.facts_of("pkgconfig") if fact.subject == lack.name), None)
        proof: list[Event | None] = [
            *(evidence.sample(lack.calls) or _absent_folders(lack.asked)[:2]),
            evidence.quoted(lack.words),
            lack.asked.exit,
            fact if elsewhere else None,
        ]
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=f"{_what_is_wrong(lack)}{_why(lack, elsewhere)}{in_package}.",
            span=lack.asked,
            evidence=evidence.of(*proof),
            fix=_fixes(trace, lack, elsewhere),
            confidence=1.0 if lack.words is not None and lack.calls else 0.8,
            explains=keys,
        )


def _what_is_wrong(lack: LackedPackage) -> str:
    needed = f", which {lack.needed_by} requires," if lack.needed_by else ""
    if not lack.calls:
        return f"pkg-config does not find {lack.name}{needed}: no folder that it was to search exists"
    many = lack.folders > 1
    where = f"none of the {lack.folders} folders that it searched" if many else "the folder that it searched has no"
    return f"pkg-config does not find {lack.name}{needed}: {where}{' has' if many else ''} {lack.name}.pc"


def _why(lack: LackedPackage, elsewhere: str | None) -> str:
    if elsewhere is not None:
        return f", though there is {elsewhere}/{lack.name}.pc"
    env = lack.asked.exec.env or {}
    named = {folder for name in ("PKG_CONFIG_PATH", "PKG_CONFIG_LIBDIR") for folder in env.get(name, "").split(":")}
    for call in _absent_folders(lack.asked):
        if call.paths[0] in named:
            return f"; {call.paths[0]}, which is named in the environment, does not exist"
    if env.get("PKG_CONFIG_LIBDIR"):
        return "; PKG_CONFIG_LIBDIR has it search other folders than this machine's usual ones"
    return ""


def _absent_folders(span: Span) -> list[SyscallError]:
    return [call for call in span.errors if call.paths and "stat" in call.syscall]


def _elsewhere(trace: Trace, lack: LackedPackage) -> str | None:
    """A folder with the package's file that was not searched and is meant for this build's target."""
    build = lack.asked.build
    paths = [str(path) for path in (trace.fact("pkgconfig", lack.name) or {}).get("found") or []]
    folders = [posixpath.dirname(path) for path in paths if posixpath.basename(path) == f"{lack.name}.pc"]
    searched = {posixpath.dirname(posixpath.normpath(call.paths[0])) for call in lack.calls}
    return next((folder for folder in folders if folder not in searched and _serves(folder, build)), None)


def _serves(folder: str, build: Build | None) -> bool:
    """What belongs to no target by its place is for the host: no help to a cross build."""
    wanted = targets.target(build) if build is not None else None
    if build is None or wanted is None:
        return True
    triple = pkg_config.triple_of_folder(folder)
    return not targets.crosses(build) if triple is None else targets.fits(triple, wanted)


def _fixes(trace: Trace, lack: LackedPackage, elsewhere: str | None) -> list[Fix]:
    build = lack.asked.build
    if elsewhere is not None:
        old = build.env.get("PKG_CONFIG_PATH", "") if build is not None else ""
        value = f"{elsewhere}:{old}" if old else elsewhere
        text = f"Name the folder that {lack.name}.pc is in."
        if build is None:
            return [Fix(f"{text.removesuffix('.')}: PKG_CONFIG_PATH={value}.")]
        return [fixes.corrected(trace, build, {"PKG_CONFIG_PATH": value}, text)]
    known = packages.packages_of_pkg_config(lack.name) if _for_linux(build) else ()
    install = fixes.build_package(trace, build, known, f"Install the package that holds {lack.name}.pc")
    crossing = build is not None and targets.crosses(build) and pkg_config.knows_only_the_host(lack.asked)
    of_target = pkg_config.for_target(trace, build) if build is not None and crossing else None
    if install is not None:
        return [install, *([of_target] if of_target is not None else [])]
    get = f"Get {lack.name}.pc with the library's development files, and name its folder in PKG_CONFIG_PATH"
    return [Fix(f"{get}, or correct the name in the #cgo pkg-config line."), *([of_target] if of_target else [])]


def _for_linux(build: Build | None) -> bool:
    wanted = targets.target(build) if build is not None else None
    return wanted is None or wanted.goos == "linux"
