"""Which Go package each tool run belongs to.

compile and asm say it (`-p`), cgo says it (`-importpath`), and all tools name the package's work folder
`$WORK/bNNN`; gcc's own children and those of cgo and link belong to what their parent works on. What names no work
folder (pkg-config, vet's configuration of a package that was not compiled) is told by its working directory.
"""

from __future__ import annotations

import posixpath

from gotrace.events.tools import Role
from gotrace.trace.argv import absolute, flag_value, work_folder
from gotrace.trace.model import Span, Trace

_MAIN = "main"
"""What compile calls each package main, whatever its import path (cmd/go/internal/work/gc.go, `pkgpath`)."""

_NO_TOOL = frozenset({Role.GO, Role.OTHER})
_HAND_DOWN = frozenset(Role) - {Role.GO, Role.TEST_BINARY}
"""Roles whose children work on the same package; a test may start anything."""


def assign(trace: Trace) -> None:
    """Set `package` of every span for which it is known."""
    known = _Packages(trace)
    for span in trace.spans:
        span.package = known.package_of(span)


class _Packages:
    """What a trace says about work folders and source folders of packages."""

    def __init__(self, trace: Trace) -> None:
        self._by_work_folder: dict[str, str] = {}
        self._by_source_folder: dict[str, str] = {}
        for fact in trace.facts_of("gopackage"):
            folder = fact.data.get("dir")
            if isinstance(folder, str) and fact.subject:
                self._by_source_folder.setdefault(folder, fact.subject)
        for span in trace.spans:
            if span.role in (Role.COMPILE, Role.ASM, Role.CGO):
                self._learn(span)

    def package_of(self, span: Span) -> str | None:
        """The package, from the span's own words, its parent, or its working directory; None for a go command."""
        if span.role is Role.GO:
            return None
        above = span.parent.package if span.parent is not None and span.parent.role in _HAND_DOWN else None
        if above is not None:
            return above
        if span.role is Role.TEST_BINARY:
            return self._by_source_folder.get(span.exec.cwd or "") or self._in_work_folder(span)
        if span.role in _NO_TOOL:
            return self._in_work_folder(span)
        return self._in_work_folder(span) or _named(span) or self._by_source_folder.get(span.exec.cwd or "")

    def _in_work_folder(self, span: Span) -> str | None:
        folder = work_folder(span.argv)
        return None if folder is None else self._by_work_folder.get(folder)

    def _learn(self, span: Span) -> None:
        package = _named(span)
        folder = work_folder(span.argv)
        if package is None:
            return
        sources = [posixpath.dirname(path) for path in _go_sources(span)]
        if package == _MAIN:
            package = next((self._by_source_folder[s] for s in sources if s in self._by_source_folder), _MAIN)
        elif not package.endswith("_test"):
            for source in sources:
                self._by_source_folder.setdefault(source, package)
        if folder is not None and self._by_work_folder.get(folder, _MAIN) == _MAIN:
            self._by_work_folder[folder] = package


def _named(span: Span) -> str | None:
    return flag_value(span.argv, "-importpath" if span.role is Role.CGO else "-p")


def _go_sources(span: Span) -> list[str]:
    """Its Go files, but for those that go itself wrote into the work folder."""
    files = (absolute(word, span.exec.cwd) for word in span.argv if word.endswith(".go") and not word.startswith("-"))
    return [path for path in files if work_folder((path,)) is None]
