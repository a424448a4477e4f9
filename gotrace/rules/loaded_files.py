"""The files of a program that ran: what the loader brought in, and what capture learned of each."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from typing import Final

from gotrace.events.model import Fact
from gotrace.trace.model import Process, Span, Trace

_NO_FILE: Final = "["
"""[vdso] and the like are no files."""


@dataclass(slots=True)
class Files:
    """What is known of the files of one program, by the paths that events have."""

    program: Fact | None = None
    mapped: dict[str, Fact] = field(default_factory=dict)
    """Of the files that came in, in their order; the program is the first."""

    @property
    def libc(self) -> Fact | None:
        """The C library that came in, or where there is none yet the loader of one."""
        return next((fact for fact in reversed(self.mapped.values()) if flavour(fact, "is")), None)


def name_of(path: str) -> str:
    """The last part of a path."""
    return path.rpartition("/")[2]


def flavour(fact: Fact | None, relation: str = "") -> str:
    """ "glibc", "musl" ... of a `binary` fact; empty where unknown, or where it is related to it in another way."""
    libc = fact.data.get("libc") if fact is not None else None
    if not isinstance(libc, dict) or (relation and libc.get("relation") != relation):
        return ""
    return str(libc.get("flavour", ""))


def words(fact: Fact, name: str) -> list[str]:
    """A list of names in a fact: `needed`, `runpath`, `symbols`."""
    value = fact.data.get(name)
    return [word for word in value if isinstance(word, str)] if isinstance(value, list | tuple) else []


def files(trace: Trace, span: Span) -> Files:
    """Those of one program: of what came into its process."""
    described = _described(trace).get(_root(span.process), {})
    found = Files()
    for library in span.libraries:
        if not library.path.startswith(_NO_FILE) and library.path in described:
            found.mapped.setdefault(library.path, described[library.path])
    if span.libraries and found.mapped:
        found.program = found.mapped.get(span.libraries[0].path)
    return found


def binary(trace: Trace, process: Process, path: str) -> Fact | None:
    """The `binary` fact of a file, by its path as this process names it."""
    return _described(trace).get(_root(process), {}).get(posixpath.normpath(path))


def asker(process: Process) -> Span | None:
    """The program that asked: of the process, or, where it is a copy that ran nothing, of the one above."""
    above: Process | None = process
    while above is not None:
        if above.spans:
            return above.spans[-1]
        above = above.parent
    return None


def absolute(span: Span, path: str) -> str:
    """A path of an event, from the root on, as far as that is known: relative ones begin where the program started."""
    return posixpath.normpath(posixpath.join(span.exec.cwd or "", path))


_Root = tuple[int, str]


def _described(trace: Trace) -> dict[_Root, dict[str, Fact]]:
    """The `binary` facts by the root that their paths begin at, then by path."""
    return trace.once("binaries", lambda: _by_root(trace))


def _by_root(trace: Trace) -> dict[_Root, dict[str, Fact]]:
    processes = {process.pid: process for process in trace.processes}
    found: dict[_Root, dict[str, Fact]] = {}
    for fact in trace.facts_of("binary"):
        process = processes.get(fact.pid)
        found.setdefault(_root(process) if process is not None else (0, ""), {}).setdefault(fact.subject, fact)
    return found


def _root(process: Process) -> _Root:
    """Where the paths of its last program begin; of a copy that ran none, where those of the program above do."""
    above: Process | None = process
    while above is not None:
        if above.spans:
            return above.spans[-1].exec.mount_namespace, above.spans[-1].exec.root
        above = above.parent
    return 0, ""
