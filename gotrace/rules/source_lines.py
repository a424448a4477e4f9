"""From a finding to the line of the project's source that asked for what failed.

A tool run belongs to a Go package, and the package's cgo files say what they want: a header by an #include of a
preamble, a library or a flag by a #cgo line, a C compiler by `import "C"` itself. Which of them it was is told by what
the finding explains (`gotrace.rules.engine`). What came from the environment has no such line.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

from gotrace.events.tools import Role
from gotrace.rules import cgo_lines, includes, pkg_config, steps
from gotrace.rules.cgo_lines import CgoFile
from gotrace.rules.finding import Finding, Source
from gotrace.rules.includes import MissingHeader
from gotrace.trace.model import Build, Span, Trace

_OF_C = frozenset({Role.CGO, Role.CC, Role.CC1, Role.AS, Role.COLLECT2, Role.LD, Role.LINK})
_OF_THE_STANDARD_LIBRARY = frozenset({"runtime/cgo", "runtime/race", "net", "os/user", "plugin"})


class SourceLines:
    """Answers for the findings of one trace."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._files: dict[int, list[CgoFile]] = {}

    def of(self, finding: Finding) -> Source | None:
        """The finest line that can be named, or None."""
        build = finding.span.build if finding.span is not None else None
        if finding.span is None or build is None:
            return None
        if id(build) not in self._files:
            self._files[id(build)] = cgo_lines.files(self._trace, build)
        packages = {steps.package(finding.span), *_keys(finding).get("package", ())}
        files = sorted(self._files[id(build)], key=lambda file: file.package not in packages)
        return _finest(_Asked(self._trace, build, files, self._missing), finding, finding.span)

    @cached_property
    def _missing(self) -> list[MissingHeader]:
        return list(includes.missing_headers(self._trace))


def _finest(asked: _Asked, finding: Finding, span: Span) -> Source | None:
    named = _keys(finding)
    for kind, find in (
        ("header", asked.header),
        ("pkg-config", asked.pkg_config),
        ("flag", asked.flag),
        ("library", asked.library),
        ("package", asked.import_c),
    ):
        for name in named.get(kind, ()):
            found = find(name)
            if found is not None:
                return found
    compiled = "header" in named or ("cc" in named and span.role in _OF_C)
    return asked.import_c(steps.package(span)) if compiled else None


def _keys(finding: Finding) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key in sorted(finding.explains):
        kind, _, name = key.partition(":")
        found.setdefault(kind, []).append(name)
    return found


class _Asked:
    """The lines of one go command's packages, those of the failed step's own package first."""

    def __init__(self, trace: Trace, build: Build, files: list[CgoFile], missing: Sequence[MissingHeader]) -> None:
        self._trace, self._build, self._files, self._missing = trace, build, files, missing

    def _first(self, find: Callable[[CgoFile], Source | None]) -> Source | None:
        return next((source for file in self._files if (source := find(file)) is not None), None)

    def header(self, name: str) -> Source | None:
        """The #include of a header: in a preamble, in a C file, or the one that led to the header which has it."""
        missing = next((m for m in self._missing if m.name == name and m.compiler.build is self._build), None)
        if missing is None or missing.words is None:
            return self._first(lambda file: cgo_lines.include(file, name))
        return self._at(missing, name) or self._leading_to(missing)

    def _at(self, missing: MissingHeader, name: str) -> Source | None:
        """Where the compiler says that it stands, if that is a file of a package."""
        assert missing.words is not None
        said = missing.words.found
        path = _absolute(said["file"], missing.compiler)
        for file in self._files:
            if file.path == path:
                line = _number(said["line"])
                return cgo_lines.include(file, name) or cgo_lines.at_line(file, line) or cgo_lines.import_c(file)
        package, folder = steps.package(missing.compiler), missing.compiler.exec.cwd
        if folder is None or posixpath.dirname(path) != folder or not said["column"]:
            return None
        mark = {True: f'"{name}"', False: f"<{name}>", None: name}[missing.quoted]
        return Source(path, _number(said["line"]), _number(said["column"]), f"#include {mark}", package)

    def _leading_to(self, missing: MissingHeader) -> Source | None:
        """The preamble's line in `In file included from /home/u/app/main.go:5`, which is said in any language."""
        text = "".join(span.stderr for span in (missing.compiler, *missing.compiler.ancestors()))
        for file in self._files:
            said = re.search(rf"(?<!\S){re.escape(file.path)}:(\d+)\b", text) if file.path in text else None
            if said is not None:
                return cgo_lines.at_line(file, _number(said[1])) or cgo_lines.import_c(file)
        return None

    def pkg_config(self, name: str) -> Source | None:
        """The #cgo line that names a package of pkg-config."""
        return self._first(lambda file: cgo_lines.pkg_config_name(self._build, file, name))

    def flag(self, word: str) -> Source | None:
        """The #cgo line that gives a flag, or that names the package of pkg-config whose answer has it."""
        given = self._first(lambda file: cgo_lines.flag(self._build, file, word))
        return given or next((s for name in self._answered_with(word) if (s := self.pkg_config(name))), None)

    def library(self, name: str) -> Source | None:
        """The same for a library, as in -lNAME or by its path."""
        return self.flag(name if "/" in name else f"-l{name}")

    def _answered_with(self, word: str) -> Iterator[str]:
        by_question = {fact.subject: fact for fact in self._trace.facts_of("pkgconfig_libs")}
        for span in pkg_config.answered(self._build):
            fact = by_question.get(" ".join(span.argv[1:]))
            flags = fact.data.get("flags") if fact is not None else None
            if isinstance(flags, list | tuple) and word in flags:
                yield from pkg_config.names(span)

    def import_c(self, package: str | None) -> Source | None:
        """Where a package imports "C". What the standard library has of C is there because some other package did."""
        of_all = package is None or package in _OF_THE_STANDARD_LIBRARY
        first = next((file for file in self._files if of_all or file.package == package), None)
        return None if first is None else cgo_lines.import_c(first)


def _number(digits: str) -> int:
    """A line or a column, of what any tool may have written."""
    return max(int(digits[:9]), 1)


def _absolute(path: str, span: Span) -> str:
    return posixpath.normpath(posixpath.join(span.exec.cwd or "", path))
