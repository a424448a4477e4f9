"""GT202: a library that the linker found nowhere."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator
from typing import ClassVar

from gotrace.events.facets import Facet
from gotrace.events.model import Event
from gotrace.rules import evidence, fixes, libraries, packages, steps, targets
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.libraries import LackedLibrary, LibraryFile
from gotrace.rules.missing_static_library import of_the_c_library
from gotrace.trace.model import Trace

_OF_THE_LOADER = re.compile(r"(/usr(/local)?)?/lib(32|64|x32)?(/[\w.]+-linux-\w+)?")
"""ld.so(8), and Debian's multiarch folders in /etc/ld.so.conf.d."""
_OF_FILE = re.compile(r":lib(?P<name>.+)\.(?P<kind>a|so)")
"""-l:libNAME.a"""
_FOR_LINKING = frozenset({"so", "archive", "linker script"})


class MissingLibrary(Rule):
    """A library that the link needs is in none of the folders that the linker searched.

    What it detects
    ---------------
    A link failed; ld's failing opens show libNAME.so and libNAME.a in folder after folder, and it names -lNAME
    itself. Also libraries of that name that are there for another machine, which ld leaves out (`skipping
    incompatible`) or, given by their path, refuses (`file in wrong format`).

    Why it happens
    --------------
    -lNAME needs libNAME.so or libNAME.a. What programs need at run time is libNAME.so.1, in another package: it is
    installed far more often, and it does not help the linker. A static link (-static) takes libNAME.a alone, which
    many packages leave out. In a cross build the library must be one for the target.

    How to fix it
    -------------
    Install the development package: `apt-get install libsqlite3-dev` for -lsqlite3. Without one, a link libNAME.so to
    the run-time library beside it is enough. For a library in a folder of its own: `#cgo LDFLAGS: -L/folder`, and
    then -Wl,-rpath,/folder or LD_LIBRARY_PATH to run the program. Package names come from Debian 12's package index of
    2026-07-11, which ships with gotrace.

    References
    ----------
    - https://sourceware.org/binutils/docs/ld/Options.html (-l, -L)
    - go doc cmd/cgo (#cgo LDFLAGS)
    - https://wiki.debian.org/Multiarch/HOWTO
    """

    code = "GT202"
    name = "missing-library"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.FAILED_PATHS})
    consequence_of = ("wrong-target-compiler", "host-libraries-in-cross-build")

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each library, however many programs are linked with it."""
        seen: dict[tuple[int, str], Finding] = {}
        for library in libraries.lacked(trace):
            if of_the_c_library(library):
                continue
            keys = steps.driver_keys(library.linker) | {f"library:{library.name}"}
            place = (id(library.linker.build), library.name)
            if place in seen:
                seen[place].explains |= keys
            else:
                seen[place] = self._finding(trace, library, keys)
        yield from seen.values()

    def _finding(self, trace: Trace, library: LackedLibrary, keys: frozenset[str]) -> Finding:
        package = steps.package(library.linker)
        in_package = f" (package {package})" if package else ""
        files = libraries.files_of(trace, library)
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=f"{_what_is_wrong(library, files)}{in_package}.",
            span=library.linker,
            evidence=evidence.of(*_events(trace, library)),
            fix=_fixes(trace, library, files),
            confidence=1.0 if library.words is not None and library.calls else 0.8,
            explains=keys,
        )


def _events(trace: Trace, library: LackedLibrary) -> list[Event | None]:
    """The searches before the linker gave up, its words, what there is, and its end."""
    last = library.words.event if library.words is not None else library.linker.exit
    before = [call for call in library.calls if last is None or call.ts_ns <= last.ts_ns]
    skipped = None if library.by_path or not library.incompatible else evidence.quoted(library.incompatible[0])
    facts = (fact for fact in trace.facts_of("library") if fact.subject == library.name and fact.data.get("found"))
    fact = next(facts, None)
    calls = evidence.sample(before or library.calls, 2 if skipped is not None else 3)
    return [*calls, skipped, evidence.quoted(library.words), library.linker.exit, fact]


def _what_is_wrong(library: LackedLibrary, files: list[LibraryFile]) -> str:
    if library.by_path:
        machine = next((file.machine for file in files if file.machine), None)
        return f"The library {library.name} is for another machine{f' ({machine})' if machine else ''} than this link"
    option, wanted = f"-l{library.name}", " or ".join(library.files)
    if library.refused_file is not None:
        machine = next((file.machine for file in files if not file.fits and file.machine), None)
        of_machine = f" ({machine})" if machine else ""
        return (
            f"{option}: {library.refused_file}{of_machine} is for another machine than this link, and there is no other"
        )
    many = library.folders > 1
    lack = f"none of the {library.folders} folders that the linker searched holds {wanted}" if many else f"no {wanted}"
    if library.exact:
        return f"{option} names this very file, and {lack}{_instead(library, files)}"
    if library.all_static:
        lack = f"this link is static, and {lack}"
    elif library.static:
        return f"{option} is linked statically here, and {lack}{_instead(library, files)}"
    return f"{option}: {lack}{_instead(library, files)}"


def _instead(library: LackedLibrary, files: list[LibraryFile]) -> str:
    """What there is of the name, and why it does not help."""
    elsewhere, versioned = _elsewhere(library, files), _versioned(library, files)
    if elsewhere is not None:
        return f", though there is {elsewhere.path}"
    if versioned is not None:
        return f"; {versioned.path} is only for running programs, not for linking"
    foreign = next((file for file in files if not file.fits), None)
    return f"; {foreign.path} is for {foreign.machine}" if foreign is not None else ""


def _elsewhere(library: LackedLibrary, files: list[LibraryFile]) -> LibraryFile | None:
    """A file that would do if its folder was searched."""
    return next(
        (f for f in files if f.fits and f.kind in _FOR_LINKING and posixpath.basename(f.path) in library.files), None
    )


def _versioned(library: LackedLibrary, files: list[LibraryFile]) -> LibraryFile | None:
    """The run-time library, where the linker would take a shared one."""
    return None if library.static else next((f for f in files if f.fits and f.kind == "versioned so"), None)


def _fixes(trace: Trace, library: LackedLibrary, files: list[LibraryFile]) -> list[Fix]:
    build = library.linker.build
    wanted = targets.target(build) if build is not None else None
    if library.by_path:
        return [Fix(f"Replace {library.name} by one for {wanted or 'the machine that is linked for'}.")]
    elsewhere, versioned = _elsewhere(library, files), _versioned(library, files)
    if elsewhere is not None:
        return [_search_also(trace, library, posixpath.dirname(elsewhere.path))]
    # What this machine's packages hold is of no use to a build for another system than Linux.
    usable = wanted is None or wanted.goos == "linux"
    known = _holders(library) if usable else ()
    fix = fixes.build_package(trace, build, known, f"Install the package that holds {library.files[0]}")
    if fix is not None:
        return [fix]
    if library.static and usable and fixes.has_apt(trace):
        shared = packages.packages_of_library(library.name)
        if shared:
            return [_link_dynamically(library, shared[0].name)]
    if versioned is not None:
        link = posixpath.join(posixpath.dirname(versioned.path), library.files[0])
        command = fixes.as_root(trace, versioned.path, ("ln", "-s", versioned.path, link))
        text = "Give the linker the name it looks for: a link to the library that is there."
        return [Fix(f"{text}{_at_run_time(posixpath.dirname(versioned.path))}", command)]
    for_target = f" for {wanted}" if wanted is not None and any(not f.fits for f in files) else ""
    get = f"Get {library.files[0]}{for_target} with the library's development files"
    return [Fix(f"{get}, and name its folder by #cgo LDFLAGS: -L/folder.")]


def _holders(library: LackedLibrary) -> tuple[packages.Package, ...]:
    of_file = _OF_FILE.fullmatch(library.name)
    if of_file is not None:
        return packages.packages_of_library(of_file["name"], archive=of_file["kind"] == "a")
    return packages.packages_of_library(library.name, archive=library.static)


def _link_dynamically(library: LackedLibrary, package: str) -> Fix:
    drop = "without -static" if library.all_static else f"without the -Bstatic before -l{library.name}"
    return Fix(
        f"Debian's {package} has no archive ({library.files[0]}): link it dynamically, {drop}, or build the archive "
        "and name its folder by #cgo LDFLAGS: -L/folder."
    )


def _search_also(trace: Trace, library: LackedLibrary, folder: str) -> Fix:
    build = library.linker.build
    old = (build.env.get("CGO_LDFLAGS") if build is not None else None) or "-O2 -g"
    text = f"Let the linker search {folder}, here or by #cgo LDFLAGS: -L{folder} in the package."
    shared = library.files[0].endswith(".so")
    return Fix(
        text + (_at_run_time(folder) if shared else ""),
        fixes.rerun(trace, build, {"CGO_LDFLAGS": f"{old} {shlex.quote(f'-L{folder}')}"}),
    )


def _at_run_time(folder: str) -> str:
    """What the program needs besides, where the loader does not look into that folder by itself."""
    if _OF_THE_LOADER.fullmatch(posixpath.normpath(folder)):
        return ""
    return f" To run the program: LD_LIBRARY_PATH={folder}, or link with -Wl,-rpath,{folder}."
