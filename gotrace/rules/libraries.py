"""Libraries that a linker looked for everywhere and did not find, and what there is of that name instead."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass

from gotrace.events.errno import errno_name
from gotrace.events.model import SyscallError
from gotrace.events.tools import Role
from gotrace.rules import evidence, steps, targets
from gotrace.trace.model import Span, Trace

_OPENING = frozenset({"open", "openat", "openat2"})
_FILE = re.compile(r"(?P<path>[^\s:]*/lib[^/\s:]+\.(?:so|a)\b[.\d]*)")
_WRONG_FORMAT = re.compile(r"(?P<path>[^\s:]+\.(?:so|a|o)[.\d]*): .*(?:wrong format|incompatible)")
_BLAMED = re.compile(r"(?P<path>[^\s:：]+\.(?:so|a)[.\d]*)\s?[:：]\s?\S")
"""A line about a library as a whole, in any language: what the file is decides whether it is for another machine."""


@dataclass(frozen=True, slots=True)
class LackedLibrary:
    """A library that one link lacks."""

    name: str
    """As in -lNAME (`:FILE` for -l:FILE); for one that was given by its path, that path."""
    linker: Span
    calls: tuple[SyscallError, ...] = ()
    words: evidence.Words | None = None
    incompatible: tuple[evidence.Words, ...] = ()
    """What the linker said of files of that name that are for another machine."""
    by_path: bool = False

    @property
    def static(self) -> bool:
        """Only libNAME.a will do."""
        return bool(self.calls) and not self.exact and not any(call.paths[0].endswith(".so") for call in self.calls)

    @property
    def exact(self) -> bool:
        """-l:NAME, which takes a file of this very name, static or not."""
        return self.name.startswith(":")

    @property
    def all_static(self) -> bool:
        """The whole link is static, not only a part of it (between -Bstatic and -Bdynamic): gcc says -static to ld."""
        return self.static and "-static" in self.linker.argv

    @property
    def files(self) -> tuple[str, ...]:
        """The file names that would do, the usual one first."""
        if self.by_path or self.exact:
            return (self.name.removeprefix(":"),)
        return (f"lib{self.name}.a",) if self.static else (f"lib{self.name}.so", f"lib{self.name}.a")

    @property
    def folders(self) -> int:
        """In how many folders the linker looked."""
        return len({posixpath.dirname(posixpath.normpath(call.paths[0])) for call in self.calls})

    @property
    def refused_file(self) -> str | None:
        """The file that is for another machine, as the linker names it."""
        found = _FILE.search(self.incompatible[0].line) if self.incompatible else None
        return found["path"] if found else None


@dataclass(frozen=True, slots=True)
class LibraryFile:
    """A file that is there for the name of a lacked library."""

    path: str
    kind: str
    machine: str | None
    fits: bool
    """It is for the machine that is linked for, or that is not known."""


def lacked(trace: Trace) -> Iterator[LackedLibrary]:
    """What each failed link lacks, in the order of its command line."""
    for span in steps.broken(trace, Role.LD):
        yield from _not_found(span)
        yield from _refused(trace, span)


def files_of(trace: Trace, library: LackedLibrary) -> list[LibraryFile]:
    """What the capture found for the name, on the search path or elsewhere."""
    fact = trace.fact("library", library.name) or {}
    build = library.linker.build
    platform = targets.target_of(library.linker) or (targets.target(build) if build is not None else None)
    found = []
    for one in fact.get("found") or []:
        machine = one.get("machine")
        fits = platform is None or not machine or targets.runs(str(machine), platform)
        found.append(LibraryFile(str(one.get("path", "")), str(one.get("kind", "")), machine, fits))
    return found


def _not_found(span: Span) -> Iterator[LackedLibrary]:
    names = dict.fromkeys(word[2:] for word in _arguments(span) if word.startswith("-l") and len(word) > 2)
    for name in names:
        tried = sorted((c for file in _files(name) for c in span.failing(file)), key=lambda c: (c.ts_ns, c.seq))
        calls = tuple(call for call in tried if _opens(call))
        lines = list(evidence.all_said([span], re.compile(rf"(?<![^\s(])[`'\"‘]?-l{re.escape(name)}(?![\w.+-])")))
        left_out = tuple(words for words in lines if _FILE.search(words.line))
        complaint = next((words for words in lines if words not in left_out), None)
        if complaint is not None and (calls or left_out):
            yield LackedLibrary(name, span, calls, complaint, left_out)
        elif not span.output and calls and _everywhere(span, name, calls):
            yield LackedLibrary(name, span, calls)


def _refused(trace: Trace, span: Span) -> Iterator[LackedLibrary]:
    """A library given by its path that is for another machine: the first one is fatal."""
    lines = list(evidence.all_said([span], _WRONG_FORMAT))
    lines += [words for words in evidence.all_said([span], _BLAMED) if _is_foreign(trace, span, words)]
    for words in lines:
        path = words.found["path"]
        if path in span.argv and posixpath.basename(path).startswith("lib"):
            yield LackedLibrary(path, span, words=words, incompatible=(words,), by_path=True)
            return


def _is_foreign(trace: Trace, span: Span, words: evidence.Words) -> bool:
    return any(not file.fits for file in files_of(trace, LackedLibrary(words.found["path"], span)))


def _arguments(span: Span) -> list[str]:
    """Its arguments, with `-l NAME` in one word."""
    words: list[str] = []
    for word in span.argv[1:]:
        if words and words[-1] == "-l":
            words[-1] = f"-l{word}"
        else:
            words.append(word)
    return words


def _files(name: str) -> list[str]:
    """What the linker looks for to find -lNAME."""
    return [name[1:]] if name.startswith(":") else [f"lib{name}.so", f"lib{name}.a"]


def _opens(call: SyscallError) -> bool:
    return call.syscall in _OPENING and errno_name(call.errno) in {"ENOENT", "ENOTDIR"}


def _everywhere(span: Span, name: str, calls: tuple[SyscallError, ...]) -> bool:
    """Without the linker's words: every -L folder was searched for the archive, which is asked for last."""
    asked = {posixpath.normpath(call.paths[0]) for call in calls}
    folders = [word[2:] for word in _arguments(span) if word.startswith("-L") and len(word) > 2]
    last = name[1:] if name.startswith(":") else f"lib{name}.a"
    return bool(folders) and all(posixpath.normpath(posixpath.join(folder, last)) in asked for folder in folders)
