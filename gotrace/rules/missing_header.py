"""GT201: a header that the compiler found nowhere."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import ClassVar

from gotrace.events.facets import Facet
from gotrace.events.model import Fact
from gotrace.rules import evidence, fixes, includes, packages, steps, targets
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.missing_target_headers import lacks_target_headers
from gotrace.trace.model import Trace

_MANY = 4
"""With more packages than this having a header of a name, the name says nothing."""


class MissingHeader(Rule):
    """A C header is in none of the folders that the compiler searched.

    What it detects
    ---------------
    A C, C++ or assembler-with-preprocessor compile failed; its failing opens show one header that was looked for in
    folder after folder and found in none, and the compiler's message names the same header, in whatever language.
    Headers that are found in a later folder, `#include_next` and `__has_include` leave failing opens too and are no
    finding.

    Why it happens
    --------------
    The library's development package is not installed (the library alone has no headers), or its headers lie in a
    folder of their own that needs -I or pkg-config, or the header belongs to the Go module itself and did not travel
    with it: `go mod vendor` leaves out folders without Go files.

    How to fix it
    -------------
    Install the package that holds the header: `apt-get install libsqlite3-dev` for sqlite3.h. If the file is already
    there, tell the compiler: `#cgo pkg-config: NAME` or `#cgo CFLAGS: -I/folder` in the package, or
    CGO_CFLAGS=-I/folder for one command. Package names come from data that ships with gotrace; where it knows none,
    only the file is named.

    References
    ----------
    - go doc cmd/cgo (#cgo CFLAGS, pkg-config)
    - https://gcc.gnu.org/onlinedocs/cpp/Search-Path.html
    - https://go.dev/issue/26366 (go mod vendor and folders without Go files)
    """

    code = "GT201"
    name = "missing-header"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.FAILED_PATHS})
    consequence_of = ("wrong-target-compiler", "missing-target-headers")

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each header, however many packages include it."""
        seen: dict[tuple[int, str], Finding] = {}
        for missing in includes.missing_headers(trace):
            if lacks_target_headers(trace, missing):
                continue
            keys = steps.driver_keys(missing.compiler) | {f"header:{missing.name}"}
            package = steps.package(missing.compiler)
            keys |= {f"package:{package}"} if package else set()
            place = (id(missing.compiler.build), missing.name)
            if place in seen:
                seen[place].explains |= keys
                continue
            seen[place] = self._finding(trace, missing, package, keys)
        yield from seen.values()

    def _finding(
        self, trace: Trace, missing: includes.MissingHeader, package: str | None, keys: frozenset[str]
    ) -> Finding:
        count = len(missing.folders)
        where = f"in none of the {count} folders that the compiler searched" if count > 1 else "not where it looked"
        includer = f", which {missing.included_at} includes," if missing.included_at else ""
        elsewhere = _elsewhere(trace, missing)
        message = f"The header {missing.name}{includer} is {where}"
        if elsewhere:
            message += f", though there is one in {elsewhere[0]}"
        message += f" (package {package})" if package else ""
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=message + ".",
            span=missing.compiler,
            evidence=evidence.of(
                *evidence.sample(missing.calls),
                evidence.quoted(missing.words),
                _fact_of(trace, missing.name) if elsewhere else None,
                missing.compiler.exit,
            ),
            fix=_fixes(trace, missing, elsewhere),
            confidence=1.0 if missing.words is not None else 0.8,
            explains=keys,
        )


def _fact_of(trace: Trace, name: str) -> Fact | None:
    return next((fact for fact in trace.facts_of("header") if fact.subject == name), None)


def _elsewhere(trace: Trace, missing: includes.MissingHeader) -> list[str]:
    """Folders that hold the header though they are not searched. The host's own are no help to a cross build."""
    paths = (trace.fact("header", missing.name) or {}).get("found") or []
    folders = [str(path).removesuffix(missing.name).rstrip("/") for path in paths if str(path).endswith(missing.name)]
    build = missing.compiler.build
    if build is not None and targets.crosses(trace, build):
        triple = targets.triple_of(missing.compiler)
        folders = [folder for folder in folders if triple and triple in folder]
    if _musl(missing):
        folders = [folder for folder in folders if "musl" in folder]
    return folders


def _musl(missing: includes.MissingHeader) -> bool:
    """The compiler searches musl's headers only: musl-gcc, a cross compiler for musl."""
    driver = steps.driver(missing.compiler)
    words = (*driver.argv, *missing.compiler.argv, targets.triple_of(missing.compiler) or "")
    return any("musl" in word for word in words)


def _fixes(trace: Trace, missing: includes.MissingHeader, elsewhere: list[str]) -> list[Fix]:
    if elsewhere:
        return [_search_also(trace, missing, elsewhere[0])]
    if _musl(missing):
        where = "on the search path with CGO_CFLAGS=-I...: /usr/include has glibc's headers and is left out"
        return [Fix(f"Put {missing.name}, as built for musl, {where}.")]
    holders = packages.holders_of_header(missing.name)
    build = missing.compiler.build
    found: list[Fix] = []
    if holders and holders[0].searched:
        fix = fixes.build_package(trace, build, holders[0].packages, f"Install the package that holds {missing.name}")
        found = [fix] if fix is not None else []
    elif len(holders) == 1 and len(holders[0].packages) == 1:
        folder = f"/usr/{holders[0].folder}".replace("/@", "/*")
        why = f"Install the package that holds {missing.name} (in {folder}: use its pkg-config name, or -I{folder})"
        fix = fixes.build_package(trace, build, holders[0].packages, why)
        found = [fix] if fix is not None else []
    elif holders and len(holders) <= _MANY and fixes.has_apt(trace):
        names = ", ".join(f"{holder.packages[0].name} (/usr/{holder.folder})".replace("/@", "/*") for holder in holders)
        found = [Fix(f"Install the package whose {missing.name} is meant{fixes.according_to(trace)}: {names}.")]
    return found or [_name_the_file(missing)]


def _search_also(trace: Trace, missing: includes.MissingHeader, folder: str) -> Fix:
    build = missing.compiler.build
    old = build.env.get("CGO_CFLAGS", "") if build is not None else ""
    flags = f"{old} -I{shlex.quote(folder)}".strip()
    if not old and build is not None:
        flags = f"-O2 -g -I{shlex.quote(folder)}"
    return Fix(
        f"Let the compiler search {folder}, here or by #cgo CFLAGS: -I{folder} in the package.",
        fixes.rerun(trace, build, {"CGO_CFLAGS": flags}),
    )


def _name_the_file(missing: includes.MissingHeader) -> Fix:
    return Fix(
        f"Get {missing.name} with the development files of the library it belongs to, or with the Go module that "
        f"includes it, and put its folder on the search path (#cgo CFLAGS: -I... or CGO_CFLAGS)."
    )
