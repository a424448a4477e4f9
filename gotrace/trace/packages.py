"""Which Go package each tool run belongs to.

compile and asm say it (`-p`), cgo says it (`-importpath`), and all tools name the package's work folder
`$WORK/bNNN`; gcc's own children and those of cgo and link belong to what their parent works on. What a go command runs
for a package and names no work folder (pkg-config, vet's configuration of a package that was not compiled) is told by
its working directory. Nobody else's: a configure script that tries the C compiler out works in a package's folder too.

A package main is called so by all tools. Its import path is told by where its sources lie; see `gotrace.trace.folders`.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from gotrace.events.gocommand import BUILDING, parse
from gotrace.events.tools import Role
from gotrace.trace.argv import absolute, flag_value, work_folder
from gotrace.trace.folders import Folders
from gotrace.trace.model import Span, Trace

_MAIN = "main"
"""What compile calls each package main, whatever its import path (cmd/go/internal/work/gc.go, `pkgpath`)."""
_TEST_MAIN = "/_testmain.go"
"""The program that go writes for a test binary (cmd/go/internal/load/test.go)."""
_HEADING = "# "
"""In front of what a tool said the go command writes `# import/path` (cmd/go/internal/work, showOutput)."""

_NO_TOOL = frozenset({Role.GO, Role.OTHER})
_START_ANYTHING = frozenset({"run", "test"})
"""The go commands that build, and then run a program of the user's, which may do the same as a build does."""
_SAY_PACKAGE = frozenset({Role.COMPILE, Role.ASM, Role.CGO})
"""Others have a `-p` too: to gcc it means a profile."""
_HAND_DOWN = frozenset(Role) - {Role.GO, Role.TEST_BINARY}
"""Roles whose children work on the same package; a test may start anything."""


def assign(trace: Trace) -> None:
    """Set `package` of every span for which it is known; of a package main whose path nothing tells, its folder."""
    known = _Packages(trace)
    for span in trace.spans:
        span.package = known.package_of(span)


class _Packages:
    """What a trace says about work folders and source folders of packages."""

    def __init__(self, trace: Trace) -> None:
        self._by_work_folder: dict[str, str] = {}
        self._folders = Folders(_module_roots(trace))
        for fact in trace.facts_of("gopackage"):
            folder = fact.data.get("dir")
            if isinstance(folder, str) and fact.subject:
                self._folders.learn(folder, fact.subject)
        tools = [span for span in trace.spans if span.role in _SAY_PACKAGE]
        for span in tools:
            self._learn(span)
        mains = [span for span in tools if _named(span) == _MAIN]
        mains_of: dict[Span, list[Span]] = {}
        for span in mains:
            if span.parent is not None:
                mains_of.setdefault(span.parent, []).append(span)
        for go, below in mains_of.items():
            self._learn_from_headings(go, below)
        for span in mains:
            self._name_main(span)
        self._name_test_mains(trace, mains)

    def package_of(self, span: Span) -> str | None:
        """The package, from the span's own words, its parent, or its working directory; None for a go command."""
        if span.role is Role.GO:
            return None
        above = span.parent.package if span.parent is not None and span.parent.role in _HAND_DOWN else None
        if above is not None:
            return above
        if span.role is Role.TEST_BINARY:
            return self._folders.known(span.exec.cwd) or self._in_work_folder(span)
        if span.role in _NO_TOOL:
            return self._in_work_folder(span)
        named = _named(span)
        if named == _MAIN:
            return self._in_work_folder(span)
        if span.role is Role.LINK:  # it works in the folder of the go command, whatever it links
            return self._in_work_folder(span) or self._linked(span)
        return self._in_work_folder(span) or named or self._of_folder(span)

    def _of_folder(self, span: Span) -> str | None:
        """By its working directory; only vet is sure to work in a folder with a package."""
        if span.role is Role.VET and work_folder(span.argv) is not None:
            return self._folders.path_of(span.exec.cwd)
        return self._folders.known(span.exec.cwd) if _works_in_folder(span) else None

    def _in_work_folder(self, span: Span) -> str | None:
        folder = work_folder(span.argv)
        return None if folder is None else self._by_work_folder.get(folder)

    def _learn(self, span: Span) -> None:
        package = _named(span)
        for folder, path in _trimmed(span):
            self._folders.learn(folder, path)
        if package is None or package == _MAIN:
            return
        if not package.endswith("_test"):
            for source in _source_folders(span):
                self._folders.learn(source, package)
        folder_of_work = work_folder(span.argv)
        if folder_of_work is not None:
            self._by_work_folder.setdefault(folder_of_work, package)

    def _learn_from_headings(self, go: Span, mains: list[Span]) -> None:
        """Paths of packages main from a go command's headings over their errors, each where it can only be that one."""
        headings = [path for path in _headings(go) if not self._folders.knows(path)]
        folders = dict.fromkeys(folder for span in mains for folder in _source_folders(span)[:1])
        unnamed = [folder for folder in folders if self._folders.path_of(folder) is None]
        if len(headings) == len(folders) == len(unnamed) == 1:
            self._folders.learn(unnamed[0], headings[0])
            return
        by_name: dict[str, list[str]] = {}
        for path in headings:
            by_name.setdefault(posixpath.basename(path), []).append(path)
        for folder in unnamed:
            alike = by_name.get(posixpath.basename(folder), [])
            if len(alike) == 1:
                self._folders.learn(folder, alike[0])

    def _name_main(self, span: Span) -> None:
        work = work_folder(span.argv)
        if work is None or work in self._by_work_folder:  # cgo has told it
            return
        folders = _source_folders(span)
        if folders:
            self._by_work_folder[work] = self._folders.path_of(folders[0]) or folders[0]

    def _name_test_mains(self, trace: Trace, mains: list[Span]) -> None:
        """A test's program is called after the package it tests: "ex/app.test", as by go list."""
        made = {work_folder(span.argv) for span in mains if any(word.endswith(_TEST_MAIN) for word in span.argv)}
        for span in trace.spans:
            folder = work_folder(span.argv)
            if span.role is Role.TEST_BINARY and folder in made and folder is not None:
                tested = self._folders.path_of(span.exec.cwd)
                if tested is not None:
                    self._by_work_folder.setdefault(folder, f"{tested}.test")

    def _linked(self, span: Span) -> str | None:
        """What a link of a package from the cache works on: go's only heading, where the link failed."""
        headings = list(_headings(span.parent)) if span.parent is not None and span.failed else []
        return headings[0] if len(headings) == 1 else None


def _module_roots(trace: Trace) -> set[str]:
    """The folders of the go.mod files that go commands say they use."""
    values = (fact.data.get("values") for fact in trace.facts_of("goenv"))
    files = (known.get("GOMOD") for known in values if isinstance(known, dict))
    return {posixpath.dirname(file) for file in files if isinstance(file, str) and file.endswith("/go.mod")}


def _works_in_folder(span: Span) -> bool:
    """A go command that builds wanted this pkg-config or vet; a script may lie between (PKG_CONFIG, -vettool)."""
    go = next((above for above in span.ancestors() if above.role is not Role.OTHER), None)
    if span.role not in (Role.PKG_CONFIG, Role.VET) or go is None or go.role is not Role.GO:
        return False
    subcommand = parse(go.argv).subcommand
    return subcommand in (*BUILDING, "list") and (span.parent is go or subcommand not in _START_ANYTHING)


def _named(span: Span) -> str | None:
    if span.role not in _SAY_PACKAGE:
        return None
    return flag_value(span.argv, "-importpath" if span.role is Role.CGO else "-p")


def _source_folders(span: Span) -> list[str]:
    """Folders of its Go files, but for those that go itself wrote into the work folder."""
    files = (absolute(word, span.exec.cwd) for word in span.argv if word.endswith((".go", ".s")) and word[0] != "-")
    return list(dict.fromkeys(posixpath.dirname(path) for path in files if work_folder((path,)) is None))


def _trimmed(span: Span) -> Iterator[tuple[str, str]]:
    """Folders and import paths that `go build -trimpath` has its compiler replace: `-trimpath DIR=>PATH;$WORK=>`."""
    for pair in (flag_value(span.argv, "-trimpath") or "").split(";"):
        folder, arrow, path = pair.partition("=>")
        # The path of a module that was downloaded has its version in it.
        if arrow and path and "@" not in path and not path.startswith("/") and folder.startswith("/"):
            yield folder, path


def _headings(go: Span) -> Iterator[str]:
    """Import paths over what a go command shows of its tools' words; a variant's is `# p [p.test]`."""
    found = (line[len(_HEADING) :].partition(" ")[0] for line in go.stderr.splitlines() if line.startswith(_HEADING))
    return iter(dict.fromkeys(path for path in found if path and not path.startswith("[")))
