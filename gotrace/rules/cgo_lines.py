"""The cgo files of a build as the capture read them: `import "C"`, `#cgo` lines and includes, with their places."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gotrace.events import gocommand
from gotrace.events.model import Fact
from gotrace.events.quoted import split_quoted
from gotrace.events.text import to_bytes
from gotrace.rules.finding import Source
from gotrace.trace.model import Build, Trace

_CGO = "#cgo"
_PKG_CONFIG = "pkg-config"
_ARGUMENT = re.compile(r"""'[^']*'|"[^"]*"|[^ \t'"][^ \t]*""")
_PLACE = re.compile(r"(.*):([0-9]{1,9}):([0-9]{1,9})", re.DOTALL)
"""FILE:LINE:COLUMN"""
_FOLDER = "${SRCDIR}"
_ALWAYS = frozenset({"cgo", "gc"})
_ALSO = {"android": "linux", "illumos": "solaris", "ios": "darwin"}
"""Systems for which the files of another one count too (go/build, matchTag)."""
_NO_UNIX = frozenset({"windows", "plan9", "js", "wasip1"})


@dataclass(frozen=True, slots=True)
class CgoFile:
    """A Go file with `import "C"`."""

    package: str
    folder: str
    name: str
    import_c: tuple[int, int] | None
    lines: tuple[tuple[int, int, str], ...]
    """Line, column and text of each directive."""

    @property
    def path(self) -> str:
        """Its absolute path."""
        return posixpath.join(self.folder, self.name)

    def source(self, line: int, column: int, text: str) -> Source:
        """A place in it."""
        return Source(self.path, line, column, text, self.package)


def files(trace: Trace, build: Build) -> list[CgoFile]:
    """The cgo files of a go command's packages, those of what it was asked to build first; none where nobody asked."""
    pid = build.span.process.pid
    # Where several go commands would get the same answers, one of them was asked.
    known = list(trace.facts_for("cgosource", pid)) or list(trace.facts_of("cgosource"))
    lost = [] if known else list(trace.facts_for("gopackage", pid))
    return [*(file for fact in known for file in _files(fact)), *(file for fact in lost for file in _lost(fact))]


def import_c(file: CgoFile) -> Source | None:
    """Where it imports "C"."""
    return None if file.import_c is None else file.source(*file.import_c, 'import "C"')


def of_package(trace: Trace, build: Build, package: str) -> Source | None:
    """Where a package first imports "C"."""
    places = (import_c(file) for file in files(trace, build) if file.package == package)
    return next((place for place in places if place is not None), None)


def include(file: CgoFile, header: str) -> Source | None:
    """Where its preamble includes a header."""
    for line, column, text in file.lines:
        start = next((at for at, letter in enumerate(text) if letter in '<"'), None)
        if not text.startswith(_CGO) and start is not None and text[start + 1 : -1] == header:
            return file.source(line, column + _width(text[:start]), text)
    return None


def at_line(file: CgoFile, number: int) -> Source | None:
    """The directive in a line."""
    return next((file.source(line, column, text) for line, column, text in file.lines if line == number), None)


def flag(build: Build, file: CgoFile, word: str) -> Source | None:
    """Where a `#cgo` line that counts in this build gives a flag."""
    return _word(build, file, word, pkg_config=False)


def pkg_config_name(build: Build, file: CgoFile, name: str) -> Source | None:
    """Where a `#cgo pkg-config:` line that counts in this build names a package; any one for an empty name."""
    return _word(build, file, name, pkg_config=True)


def _word(build: Build, file: CgoFile, wanted: str, *, pkg_config: bool) -> Source | None:
    for line, column, text in file.lines:
        if not text.startswith(_CGO):
            continue
        head, colon, arguments = text.partition(":")
        *conditions, verb = head.removeprefix(_CGO).split() or [""]
        if (verb == _PKG_CONFIG) is not pkg_config or not _counts(build, conditions):
            continue
        for word in _ARGUMENT.finditer(arguments):
            if word[0].strip("'\"").replace(_FOLDER, file.folder) == wanted or not wanted:
                return file.source(line, column + _width(head + colon + arguments[: word.start()]), text)
    return None


def _counts(build: Build, conditions: list[str]) -> bool:
    """The line is for this build: blanks mean or, commas mean and. What is unknown of the target may be so."""
    true = _tags(build)
    goos, goarch = build.target.goos, build.target.goarch

    def holds(term: str) -> bool:
        name = term.removeprefix("!")
        known = name in true or name.startswith("go1.") or (name == "unix" and goos not in _NO_UNIX)
        known = known or name in (goos, goarch) or (goos is not None and _ALSO.get(goos) == name)
        return known is not term.startswith("!")

    if not conditions or goos is None or goarch is None:
        return True
    return any(all(map(holds, terms.split(","))) for terms in conditions)


def _tags(build: Build) -> frozenset[str]:
    goflags = split_quoted(build.env.get("GOFLAGS") or "")
    value = gocommand.parse(("go", build.subcommand, *goflags, *build.flags)).value("tags") or ""
    return _ALWAYS | frozenset(value.replace(",", " ").split())


def _width(text: str) -> int:
    """Its length in the file, in bytes."""
    return len(to_bytes(text))


def _files(fact: Fact) -> Iterator[CgoFile]:
    """Those of a fact `cgosource`; what is not as it should be is left out, for a recording may say anything."""
    folder, listed = fact.data.get("dir"), fact.data.get("files")
    for one in listed if isinstance(folder, str) and isinstance(listed, list | tuple) else ():
        if isinstance(one, dict) and isinstance(one.get("name"), str):
            lines = one.get("lines")
            told = tuple(line for each in lines if (line := _line(each))) if isinstance(lines, list | tuple) else ()
            yield CgoFile(fact.subject, str(folder), one["name"], _place(one.get("import_c")), told)


def _lost(fact: Fact) -> Iterator[CgoFile]:
    """Of a fact `gopackage`, which has one place alone: FILE:LINE:COLUMN."""
    folder, told = fact.data.get("dir"), fact.data.get("import_c")
    place = _PLACE.fullmatch(told) if isinstance(told, str) else None
    if isinstance(folder, str) and place is not None:
        yield CgoFile(fact.subject, folder, place[1], _place((int(place[2]), int(place[3]))), ())


def _line(value: Any) -> tuple[int, int, str] | None:
    if not isinstance(value, list | tuple) or len(value) != 3 or not isinstance(value[2], str):
        return None
    place = _place(value[:2])
    return None if place is None else (*place, value[2])


def _place(value: Any) -> tuple[int, int] | None:
    if isinstance(value, list | tuple) and len(value) == 2 and all(type(number) is int for number in value):
        return (value[0], value[1]) if min(value) > 0 else None
    return None
