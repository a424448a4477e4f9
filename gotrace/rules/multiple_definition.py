"""GT207: two objects of one link define the same C function or variable."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import ClassVar, NamedTuple

from gotrace.events.facets import Facet
from gotrace.events.tools import Role
from gotrace.rules import evidence, fixes, linking, steps
from gotrace.rules.base import Rule
from gotrace.rules.evidence import Words
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.trace.argv import absolute
from gotrace.trace.model import Build, Span, Trace

_TWICE = re.compile(
    rf"^(?:\S+/ld[\w.]*\s?: )?(?P<second>[^\s：]+)\s?[:：]\s?.*?{linking.QUOTED}"
    r".*[;；]\s*(?P<first>[^\s：]+)\s?[:：]\s?\S"
)
"""`B.c:4: multiple definition of ...; B.o:A.c:4: first defined here`, in ld's form of 2020 (2.35) and later."""
_PLACE = re.compile(r"(?:(?P<object>[^():]+\.(?:o|a|syso)(?:\([^)]*\))?):)?(?:\(.*\)|(?P<file>[^:]+):\d+)?")
_OF_CGO = re.compile(r"(?P<file>.+)\.cgo2\.c")
_EXPORTS = "_cgo_export.c"


class _Owner(NamedTuple):
    """Where one of the definitions is, as far as the linker says."""

    file: str
    """The source, or the object where that has no line numbers."""
    source: bool
    package: str | None
    compile: Span | None
    """The run of the C compiler that made it, where it was made by this build."""

    @property
    def name(self) -> str:
        return posixpath.basename(self.file)

    @property
    def go_file(self) -> str | None:
        """The Go file whose preamble this is; None for other C code, and for cgo's file of exports."""
        found = _OF_CGO.fullmatch(self.name)
        return f"{found['file']}.go" if found else None

    @property
    def is_preamble(self) -> bool:
        return self.source and (self.go_file is not None or self.name == _EXPORTS)


class MultipleDefinition(Rule):
    """Two C files or archives of one link define the same function or variable.

    What it detects
    ---------------
    A link failed, and the linker names a symbol with the two places that define it. What these are tells the cause: a
    preamble that cgo compiles twice, a header with definitions, a C program in the folder of a Go package, or two
    packages that bring the same C library. The compiles of both files are shown where this build ran them. The symbol
    and the places are in the linker's message alone, in the same form in every language.

    Why it happens
    --------------
    A Go file with //export has its preamble copied into two C files, so it may declare but not define. Go compiles
    every C file in the folder of a package that uses cgo, also a tool with a main of its own. A C library that two
    Go packages carry along (two SQLite drivers, say) is in the program twice.

    How to fix it
    -------------
    Make the function of a preamble or header `static inline`, or move it into a .c file beside the Go file. Put a
    stray C file into a folder without Go files, or write `//go:build ignore` at its top. Of two copies of a library
    remove one: many drivers have a build tag for the system's library instead (-tags libsqlite3). The linker's
    --allow-multiple-definition takes the first: only for copies of the same version.

    References
    ----------
    - go doc cmd/cgo ("Using //export in a file places a restriction on the preamble")
    - https://github.com/mutecomm/go-sqlcipher/issues/12, https://github.com/status-im/status-go/issues/4564
    - https://sourceware.org/binutils/docs/ld/Options.html (--allow-multiple-definition)
    """

    code = "GT207"
    name = "multiple-definition"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.STDERR_TEXT})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each pair of files, however many symbols they share."""
        for linker in linking.failed_links(trace):
            pairs: dict[tuple[str, str], list[Words]] = {}
            owners: dict[tuple[str, str], tuple[_Owner, _Owner]] = {}
            for words in evidence.all_said([linker], _TWICE):
                first, second = (_owner(linker, words.found[place]) for place in ("first", "second"))
                if first is not None and second is not None:
                    pairs.setdefault((first.file, second.file), []).append(words)
                    owners[first.file, second.file] = (first, second)
            for pair, lines in pairs.items():
                yield self._finding(trace, linker, lines, *owners[pair])

    def _finding(self, trace: Trace, linker: Span, lines: list[Words], first: _Owner, second: _Owner) -> Finding:
        compiled = [owner.compile for owner in (first, second) if owner.compile is not None]
        packages = {f"package:{owner.package}" for owner in (first, second) if owner.package}
        name = lines[0].found["name"]
        more = f" and {len(lines) - 1} more" if len(lines) > 1 else ""
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=f"{name}{more} {_what_is_wrong(name, len(lines) > 1, first, second)}.",
            span=linker,
            evidence=evidence.of(*(span.exec for span in compiled), evidence.quoted(lines[0]), linker.exit),
            fix=_fixes(trace, linker.build, name, first, second),
            confidence=0.9 if compiled else 0.8,
            explains=steps.driver_keys(linker) | packages,
        )


def _owner(linker: Span, place: str) -> _Owner | None:
    """What is meant by `B.o:A.c:4`, `A.c:4`, `go.o:(.text+0x75a80)` or `liba.a(b.o):b.c:7`."""
    found = _PLACE.fullmatch(place)
    if found is None or not (found["file"] or found["object"]):
        return None
    if found["file"] is None:
        return _Owner(found["object"], False, None, None)
    span = _compile_of(linker.build, found["file"])
    archive = found["object"] or ""
    if span is None and archive.endswith(")"):  # the source of an archive's member is not on this machine
        return _Owner(archive, False, None, None)
    return _Owner(found["file"], True, steps.package(span) if span is not None else None, span)


def _compile_of(build: Build | None, file: str) -> Span | None:
    """The compiler's run that made an object of this source.

    Go hides its own folder (/tmp/go-build/a.cgo2.c), so of two packages with files of that name neither is it.
    """
    runs = [s for s in (build.spans if build is not None else ()) if s.role is Role.CC and "-c" in s.argv]
    of_cgo = file.startswith("/tmp/go-build/") or not file.startswith("/")
    found: dict[str | None, Span] = {}
    for span in runs:
        for word in span.argv:
            same = posixpath.basename(word) == posixpath.basename(file)
            if same and (of_cgo or absolute(word, span.exec.cwd) == file):
                found.setdefault(steps.package(span), span)
    return next(iter(found.values())) if len(found) == 1 else None


def _what_is_wrong(name: str, many: bool, first: _Owner, second: _Owner) -> str:
    are = "are" if many else "is"
    if first.is_preamble and second.is_preamble:
        file = first.go_file or second.go_file
        of = _of_package(first, second)
        if _EXPORTS in (first.name, second.name):
            return (
                f"{are} defined in the preamble of {file}{of}, which cgo compiles twice because the file has //export"
            )
        return f"{are} defined in the preambles of both {first.go_file} and {second.go_file}{of}"
    if first.file == second.file and first.source:
        return f"{are} defined in {first.file}, which more than one C file of the program includes"
    stray = _stray_program(name, first, second)
    if stray is not None:
        return (
            f"{are} defined in {stray.file}{_of_package(stray)}, and a Go program has its own: Go compiles every C "
            "file in the folder of a package that uses cgo"
        )
    return f"{are} defined twice: in {_described(first)} and in {_described(second)}"


def _stray_program(name: str, first: _Owner, second: _Owner) -> _Owner | None:
    """The C file that has a main besides Go's own."""
    if name != "main" or not (linking.is_of_the_link(first.file) or linking.is_of_the_link(second.file)):
        return None
    stray = second if linking.is_of_the_link(first.file) else first
    return stray if stray.source else None


def _described(owner: _Owner) -> str:
    if linking.is_of_the_link(owner.file):
        return "Go's own code" if owner.name == "go.o" else "an object of a Go package"
    if owner.is_preamble:
        return f"the preamble of {owner.go_file or 'a file with //export'}{_of_package(owner)}"
    return f"{owner.file}{_of_package(owner)}"


def _of_package(*owners: _Owner) -> str:
    package = next((owner.package for owner in owners if owner.package), None)
    return f" (package {package})" if package else ""


def _fixes(trace: Trace, build: Build | None, name: str, first: _Owner, second: _Owner) -> list[Fix]:
    if first.is_preamble or second.is_preamble or (first.file == second.file and first.source):
        return [
            Fix(f"Make {name} `static inline`, or only declare it there and define it in a .c file of the package.")
        ]
    stray = _stray_program(name, first, second)
    if stray is not None:
        return [
            Fix(
                f"Move {stray.file} into a folder without Go files, or write //go:build ignore and an empty line at "
                "its top."
            )
        ]
    away = "Remove one of the two, or rename or make static what both define"
    if first.name != second.name or first.package == second.package:
        return [Fix(f"{away}.")]
    old = (build.env.get("CGO_LDFLAGS") if build is not None else None) or "-O2 -g"
    return [
        Fix(f"Keep one copy of {first.name} (a driver often has a build tag for the system's library instead)."),
        Fix(
            "Or, only where both are copies of the same version, have the linker take the first.",
            fixes.rerun(trace, build, {"CGO_LDFLAGS": f"{old} -Wl,--allow-multiple-definition"}),
        ),
    ]
