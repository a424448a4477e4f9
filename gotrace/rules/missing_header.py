"""GT201: a header that the compiler found nowhere."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator
from typing import ClassVar

from gotrace.events.facets import Facet
from gotrace.events.model import Fact
from gotrace.rules import (
    evidence,
    fixes,
    includes,
    musl,
    musl_kernel_headers,
    packages,
    search_path,
    steps,
    strange_headers,
    systems,
    targets,
)
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.missing_target_headers import lacks_target_headers
from gotrace.rules.vendored_files_missing import lacks_vendored_file
from gotrace.trace.model import Trace

_NAMED = 3
"""So many headers that are missing for one reason are named besides the first; more are counted."""
_PACKAGES_NAMED = 2
"""So many of the Go packages that include one header are named; more are counted."""
_NOT_TO_SEARCH = re.compile(r"c\+\+|valgrind|node(js)?|python[\d.]*|linux|asm|asm-generic")
"""Folders of /usr/include whose headers are for programs of their own kind; a C compile must not be sent there."""


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
    folder of their own that needs -I or pkg-config. An option may lead astray too: in a cross build
    -I/usr/include/x86_64-linux-gnu brings the host's headers, and --sysroot hides those of the C library. What `go mod
    vendor` left out has a rule of its own, vendored-files-missing.

    How to fix it
    -------------
    Install the package that holds the header: `apt-get install libsqlite3-dev` for sqlite3.h. If the file is already
    there, tell the compiler: `#cgo pkg-config: NAME` or `#cgo CFLAGS: -I/folder` in the package, or
    CGO_CFLAGS=-I/folder for one command. Package names come from Debian 12's package index of 2026-07-11, which ships
    with gotrace; where it knows none, only the file is named.

    References
    ----------
    - go doc cmd/cgo (#cgo CFLAGS, pkg-config)
    - https://gcc.gnu.org/onlinedocs/cpp/Search-Path.html
    """

    code = "GT201"
    name = "missing-header"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.FAILED_PATHS})
    consequence_of = ("wrong-target-compiler", "missing-target-headers", "glibc-headers-in-musl-build")

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each header, however many packages include it."""
        seen: dict[tuple[int, str], Finding] = {}
        alike: dict[tuple[int, str], list[str]] = {}
        including: dict[tuple[int, str], list[str]] = {}
        for missing in includes.missing_headers(trace):
            if lacks_target_headers(missing) or lacks_vendored_file(missing):
                continue
            keys = steps.driver_keys(missing.compiler) | {f"header:{missing.name}"}
            package = steps.package(missing.compiler)
            keys |= {f"package:{package}"} if package else set()
            keys |= _compilers_key(missing)
            place = (id(missing.compiler.build), _cause(missing))
            including.setdefault(place, []).extend([package] if package else [])
            if place in seen:
                seen[place].explains |= keys
                alike[place] += [missing.name] if missing.name not in alike[place] else []
                continue
            seen[place], alike[place] = self._finding(trace, missing, keys), [missing.name]
        for place, finding in seen.items():
            finding.message += _of_packages(including[place]) + _and_more(alike[place][1:])
            yield finding

    def _finding(self, trace: Trace, missing: includes.MissingHeader, keys: frozenset[str]) -> Finding:
        count = len(missing.folders)
        where = f"in none of the {count} folders that the compiler searched" if count > 1 else "not where it looked"
        where += f" in {system.place}" if (system := systems.system(trace)).elsewhere else ""
        includer = f", which {missing.included_at} includes," if missing.included_at else ""
        misleading = _misleading(missing)
        strange = strange_headers.strange(trace, missing) if misleading is None else None
        elsewhere = _elsewhere(trace, missing) if misleading is None and strange is None else []
        message = f"The header {missing.name}{includer} is {where}"
        if misleading is not None:
            message += f": {_what_misleads(missing, misleading)}"
        if strange is not None:
            message = f"The header {missing.name}{includer} {strange.what}"
        if elsewhere:
            message += f", though there is one in {elsewhere[0]}"
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=message,
            span=missing.compiler,
            evidence=evidence.of(
                *evidence.sample(missing.calls),
                steps.driver(missing.compiler).exec if misleading is not None else None,
                evidence.quoted(missing.words),
                _fact_of(trace, missing.name) if elsewhere else None,
                missing.compiler.exit,
            ),
            fix=[strange.fix] if strange is not None else _fixes(trace, missing, elsewhere, misleading),
            confidence=1.0 if missing.words is not None else 0.8,
            explains=keys,
        )


def _fact_of(trace: Trace, name: str) -> Fact | None:
    return next((fact for fact in trace.facts_of("header") if fact.subject == name), None)


def _of_packages(paths: list[str]) -> str:
    """The Go packages that include it, the first ones by name."""
    first, more = list(dict.fromkeys(paths))[:_PACKAGES_NAMED], len(set(paths)) - _PACKAGES_NAMED
    if len(first) < 2:
        return f" (package {first[0]})" if first else ""
    return f" (packages {', '.join(first)} and {more} more)" if more > 0 else f" (packages {' and '.join(first)})"


def _and_more(names: list[str]) -> str:
    """The end of a message: headers that are missing for the same reason."""
    if not names:
        return "."
    listed = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
    many = f"{len(names)} more headers are" if len(names) > 1 else "1 more header is"
    return f"; {many} missing for the same reason ({listed})."


def _for_other_system(missing: includes.MissingHeader) -> targets.Platform | None:
    """The build's target where that is no Linux: no header and no package of this machine is for it."""
    wanted = targets.target(missing.compiler.build) if missing.compiler.build is not None else None
    return wanted if wanted is not None and wanted.goos != "linux" else None


def _compilers_key(missing: includes.MissingHeader) -> set[str]:
    """In a build for another system the wrong compiler is the cause of whatever header it misses."""
    wanted, driver = _for_other_system(missing), steps.driver(missing.compiler)
    triple = targets.triple_of(missing.compiler)
    if wanted is None or triple is None or targets.fits(triple, wanted):
        return set()
    path = driver.compiler.path if driver.compiler is not None and driver.compiler.path else None
    return {f"cc:{posixpath.basename(path or (driver.argv[0] if driver.argv else driver.exec.path))}"}


def _misleading(missing: includes.MissingHeader) -> search_path.Misleading | None:
    return search_path.hosts_folder(missing) or search_path.other_root(missing)


def _what_misleads(missing: includes.MissingHeader, misleading: search_path.Misleading) -> str:
    origin = f" ({misleading.origin})"
    build = missing.compiler.build
    if misleading.option.startswith(("--sysroot", "-nostdinc")):
        return f"{misleading.option}{origin} keeps the compiler from the C library's headers"
    host = targets.host(build) if build is not None else None
    wanted = targets.target(build) if build is not None else None
    return f"{misleading.option}{origin} brings headers for {host} into a build for {wanted}"


def _cause(missing: includes.MissingHeader) -> str:
    """What two missing headers have in common if they are missing for one reason."""
    misleading = _misleading(missing)
    if misleading is not None:
        return misleading.option
    if packages.is_libc_header(missing.name):
        return packages.holders_of_header(missing.name)[0].packages[0].name
    return missing.name


def _elsewhere(trace: Trace, missing: includes.MissingHeader) -> list[str]:
    """Folders that are meant to be searched for the header and are not; none of another target's."""
    paths = (trace.fact("header", missing.name) or {}).get("found") or []
    folders = [str(path).removesuffix(f"/{missing.name}") for path in paths if str(path).endswith(f"/{missing.name}")]
    build = missing.compiler.build
    own = targets.triple_of(missing.compiler)
    crosses = build is not None and targets.crosses(build)
    one_library = [] if crosses or len(paths) != 1 else [f for f in folders if _of_one_library(missing, f)]
    folders = [folder for folder in folders if packages.is_include_root(folder, missing.name)] or one_library
    wanted = _for_other_system(missing)
    if wanted is not None and (own is None or not targets.fits(own, wanted)):
        return []
    # What belongs to no target is for the host: no help to a cross build.
    allowed = {own} if crosses else {own, None}
    folders = [folder for folder in folders if search_path.triple_of_folder(folder) in allowed]
    if crosses and own is None:
        return []
    if musl.compiles_for(missing.compiler):
        folders = [folder for folder in folders if "musl" in folder]
    return folders


def _of_one_library(missing: includes.MissingHeader, folder: str) -> bool:
    """A folder just below /usr/include, from which one library alone is known to have this header."""
    root, _, last = folder.rpartition("/")
    if missing.quoted is not False or "/" in missing.name or root != "/usr/include" or _NOT_TO_SEARCH.fullmatch(last):
        return False
    holders = packages.holders_of_header(missing.name)
    if len(holders) != 1 or holders[0].folder != f"include/{last}":
        return False
    return all(p.name.endswith("-dev") and p.name not in packages.LIBC_PACKAGES for p in holders[0].packages)


def _fixes(
    trace: Trace, missing: includes.MissingHeader, elsewhere: list[str], misleading: search_path.Misleading | None
) -> list[Fix]:
    build = missing.compiler.build
    if misleading is not None:
        return [_drop(trace, missing, misleading)]
    if elsewhere:
        return [_search_also(trace, missing, elsewhere[0])]
    if musl.compiles_for(missing.compiler):
        return [musl_kernel_headers.fix(trace, missing) or _built_for_musl(missing)]
    other = _for_other_system(missing)
    if other is not None:
        own = strange_headers.own_file(missing)
        text = f"Get {missing.name} with the development kit of {other}, and name its folder: CGO_CFLAGS=-I..."
        return [own or Fix(f"{text}; this machine's packages are for another system.")]
    holders = packages.libraries_with_header(missing.name, quoted=bool(missing.quoted))
    found: Fix | None = None
    if len(holders) == 1:
        holder = holders[0]
        why = f"Install the package that holds {missing.name}"
        if not holder.searched:
            folder = f"/usr/{holder.folder}".replace("/@", "/*")
            why += f" (in {folder}: use its pkg-config name, or -I{folder})"
        found = fixes.build_package(trace, build, holder.packages, why)
    elif holders and fixes.has_apt(trace):
        names = ", ".join(f"{holder.packages[0].name} (/usr/{holder.folder})".replace("/@", "/*") for holder in holders)
        found = Fix(f"Install the package whose {missing.name} is meant{fixes.according_to(trace)}: {names}.")
    return [found or _name_the_file(missing)]


def _drop(trace: Trace, missing: includes.MissingHeader, misleading: search_path.Misleading) -> Fix:
    build = missing.compiler.build
    if misleading.variable is None or build is None:
        return Fix(f"Drop {misleading.option}, which came {misleading.origin}.")
    instead = ", or name a root that has the C library's headers" if misleading.option.startswith("--sysroot") else ""
    text = f"Drop {misleading.option} from {misleading.variable}{instead}."
    return fixes.corrected(trace, build, {misleading.variable: misleading.without}, text)


def _built_for_musl(missing: includes.MissingHeader) -> Fix:
    where = "on the search path with CGO_CFLAGS=-I...: /usr/include has glibc's headers and is left out"
    return Fix(f"Put {missing.name}, as built for musl, {where}.")


def _search_also(trace: Trace, missing: includes.MissingHeader, folder: str) -> Fix:
    build = missing.compiler.build
    old = build.env.get("CGO_CFLAGS", "") if build is not None else ""
    flags = f"{old or '-O2 -g'} {shlex.quote(f'-I{folder}')}"
    return Fix(
        f"Let the compiler search {folder}, here or by #cgo CFLAGS: -I{folder} in the package.",
        fixes.rerun(trace, build, {"CGO_CFLAGS": flags}),
    )


def _name_the_file(missing: includes.MissingHeader) -> Fix:
    own = strange_headers.own_file(missing)
    if own is not None:
        return own
    return Fix(
        f"Get {missing.name} with the development files of the library it belongs to, or with the Go module that "
        f"includes it, and put its folder on the search path (#cgo CFLAGS: -I... or CGO_CFLAGS)."
    )
