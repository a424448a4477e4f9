"""Where else a header lies that a failed compiler run did not find."""

from __future__ import annotations

import os
import re
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from gotrace.capture.facts.found import Found, real, recorded
from gotrace.capture.facts.processes import Processes, ProcessLife
from gotrace.events.tools import Role

_LOOK_UPS = frozenset({"open", "openat", "stat", "newfstatat", "statx", "access", "faccessat", "faccessat2"})
_HEADER_SUFFIXES = frozenset({".h", ".hh", ".hpp", ".hxx", ".h++", ".inc", ".ipp", ".tcc"})
_WORD_MARKS = " \t<>\"'‘’“”«»`:,"

_ROOTS = ("/usr/include", "/usr/local/include")
_ROOTS_OF_TARGETS = "usr/*/include"
_MOST_ENTRIES = 20_000
_MOST_SECONDS = 0.2
_MOST_FOUND = 16


@dataclass(slots=True)
class Search:
    """What a walk over the header folders found, and whether it saw all of them."""

    found: dict[str, list[str]] = field(default_factory=dict)
    complete: bool = True


def header_facts(processes: Processes) -> list[Found]:
    """A `header` fact for each header that made a compiler fail."""
    missing: dict[str, int] = {}
    for life in processes.failed(Role.CC1, Role.CC):
        name = missing_header(life)
        if name:
            missing.setdefault(name, life.pid)
    if not missing:
        return []
    roots = (*_ROOTS, *(str(folder) for folder in sorted(Path("/").glob(_ROOTS_OF_TARGETS))))
    search = find_headers(list(missing), roots)
    return [
        Found(
            "header",
            recorded(name),
            {"found": [recorded(path) for path in search.found.get(name, [])], "complete": search.complete},
            pid,
        )
        for name, pid in missing.items()
    ]


def missing_header(life: ProcessLife) -> str | None:
    """Name, as in the include, of the header that ended a compiler run, or None where none did.

    A compiler stops at the first header that it finds nowhere, so the last look-ups are those of that header. The
    part that their paths have in common is its name; where the compiler's own words have it, they decide.
    """
    looked_up = (real(error.paths[0]) for error in life.missing if error.syscall in _LOOK_UPS)
    paths = [path for text in looked_up if (path := _header_path(text))]
    if not paths:
        return None
    last = paths[-1]
    run: list[PurePosixPath] = []
    for path in reversed(paths):
        if path.name != last.name or path in run:
            break
        run.append(path)
    # <vector> has no suffix, but neither has what a driver looks for ("specs"): only the compiler proper may lack one.
    by_suffix = last.suffix in _HEADER_SUFFIXES
    by_run = life.images[-1].role is Role.CC1 and len(run) > 1
    # It failed for another reason if it says something, and not a word of this header.
    if not (by_suffix or by_run) or (life.text and last.name not in life.text):
        return None
    return _named_in(life.text, last) or common_name(run)


def common_name(paths: Sequence[PurePosixPath]) -> str:
    """The longest end, in whole components, that all paths share; never an absolute path."""
    components = [[part for part in path.parts if part != "/"] for path in paths]
    shared: list[str] = []
    for ends in zip(*(reversed(parts) for parts in components), strict=False):
        if len(set(ends)) > 1:
            break
        shared.insert(0, ends[0])
    # Search folders are mostly called "include": that part belongs to the folder.
    if len(shared) > 1 and len(paths) > 1 and shared[0] == "include":
        shared = shared[1:]
    return "/".join(shared if len(paths) > 1 else components[0][-1:])


def find_headers(
    names: Sequence[str], roots: Iterable[str], *, entries: int = _MOST_ENTRIES, seconds: float = _MOST_SECONDS
) -> Search:
    """Files below `roots` that are called like one of `names`: those with the whole relative name first.

    Looks at no more than `entries` directory entries and for no longer than `seconds`; shallow folders come first.
    """
    search = Search()
    wanted: dict[str, list[str]] = {}
    for name in names:
        wanted.setdefault(PurePosixPath(name).name, []).append(name)
    deadline = time.monotonic() + seconds
    for number, (path, name) in enumerate(_walk(roots, deadline, search)):
        if number >= entries:
            search.complete = False
            break
        for whole_name in wanted.get(name, ()):
            search.found.setdefault(whole_name, []).append(path)
    for name, found in search.found.items():
        found.sort(key=lambda path: (not path.endswith("/" + name), path))
        del found[_MOST_FOUND:]
    return search


def _walk(roots: Iterable[str], deadline: float, search: Search) -> Iterator[tuple[str, str]]:
    folders = deque(dict.fromkeys(os.path.realpath(root) for root in roots))
    while folders:
        if time.monotonic() > deadline:
            search.complete = False
            return
        folder = folders.popleft()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    # Symlinked folders are not followed: they lead to what the walk sees anyway, or round in circles.
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    yield entry.path, entry.name
        except OSError:
            continue


def _header_path(path: str) -> PurePosixPath | None:
    """The path if it may be a header's. Precompiled headers and catalogues of messages are looked for by the way."""
    pure = PurePosixPath(path)
    other = pure.suffix in (".gch", ".pch", ".mo", ".so", ".o", ".c", ".cc", ".cpp", ".cfg")
    return None if other or not pure.name or pure.is_relative_to("/etc") else pure


def _named_in(text: str, path: PurePosixPath) -> str | None:
    """The name of the header in the compiler's complaint, which may be in any language."""
    for word in re.split(f"[{re.escape(_WORD_MARKS)}\\s]+", text):
        candidate = PurePosixPath(word)
        if candidate.name == path.name and not candidate.is_absolute() and word == str(candidate):
            parts = candidate.parts
            if path.parts[-len(parts) :] == parts:
                return word
    return None
