"""Comments that were to be preambles of cgo, and are none for an empty line behind them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from gotrace.capture.facts.found import Found, real, recorded
from gotrace.capture.facts.import_c import import_c_position
from gotrace.capture.facts.processes import Processes
from gotrace.events.tools import Role

_UNKNOWN = re.compile(r"^(?P<file>[^:\n]+):\d+:\d+: could not determine what C\.(?P<name>\w+) refers to", re.MULTILINE)
"""cmd/cgo/gcc.go, guessKinds."""
_INCLUDE = re.compile(r"^[\s/*]*#\s*include\s*[<\"]([^>\"\n]+)[>\"]", re.MULTILINE)
_IMPORT = re.compile(r'\s*import\s+("C"|`C`)')
_LARGEST_FILE = 1 << 20


class Detached(NamedTuple):
    """A comment, and the empty lines between it and `import "C"`; lines count from 1, both ends belong to it."""

    text: str
    first_empty: int
    last_empty: int


def preamble_facts(processes: Processes) -> Iterator[Found]:
    """A `preamble` fact for each Go file in which a failed cgo did not know a name, and that has such a comment."""
    for life in processes.failed(Role.CGO):
        folder = Path(real(life.images[-1].exec.cwd or "/"))
        for file, names in _unknown(life.text).items():
            with suppress(OSError):
                yield from _fact(folder / real(file), names, life.pid)


def detached_comment(source: str) -> Detached | None:
    """The comment above `import "C"` that an empty line parts from it; None where there is none."""
    position = import_c_position(source.encode(errors="surrogateescape"))
    lines = source.split("\n")
    if position is None or not _IMPORT.match(lines[position.line - 1]):
        return None
    at = position.line - 1
    while at and not lines[at - 1].strip():
        at -= 1
    if at in (0, position.line - 1):
        return None
    return Detached("\n".join(_comment_before(lines, at)), at + 1, position.line - 1)


def _comment_before(lines: list[str], end: int) -> list[str]:
    """The lines of the comment whose last line is the one before `end`; empty where that is no comment."""
    start = end
    if lines[end - 1].rstrip().endswith("*/"):
        while start and "/*" not in lines[start - 1]:
            start -= 1
        return lines[max(start - 1, 0) : end]
    while start and lines[start - 1].lstrip().startswith("//"):
        start -= 1
    return lines[start:end]


def _unknown(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in _UNKNOWN.finditer(text):
        names = found.setdefault(line["file"], [])
        if line["name"] not in names:
            names.append(line["name"])
    return found


def _fact(path: Path, names: Iterable[str], pid: int) -> Iterator[Found]:
    with path.open("rb") as file:
        source = file.read(_LARGEST_FILE).decode(errors="surrogateescape")
    detached = detached_comment(source)
    if detached is None:
        return
    mentions = [name for name in names if re.search(rf"\b{re.escape(name)}\b", detached.text)]
    includes = [recorded(name) for name in _INCLUDE.findall(detached.text)]
    if mentions or includes:
        lines = [detached.first_empty, detached.last_empty]
        data = {"empty_lines": lines, "mentions": mentions, "includes": includes, "pid": pid}
        yield Found("preamble", recorded(str(path)), data, pid)
