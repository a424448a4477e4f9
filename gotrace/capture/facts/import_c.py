"""Finds `import "C"` in a Go file: where cgo begins.

Reads the file's head only, as the Go specification orders it ("Source file organization"): package clause, then import
declarations, then the rest. Comments and strings that merely mention `import "C"` do not count.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

_LARGEST_HEAD = 1 << 20

_SKIP = re.compile(rb"(?:\xef\xbb\xbf)?(?:[ \t\r\n;]+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_NAME = re.compile(rb"[A-Za-z_\x80-\xff][\w\x80-\xff]*|[.]")
_PATH = re.compile(rb'"(?:[^"\\\n]|\\.)*"|`[^`]*`')


class Position(NamedTuple):
    """A place in a file: line and column from 1, the column in bytes, as Go counts them."""

    line: int
    column: int


def import_c_position(source: bytes) -> Position | None:
    """Where the first `"C"` is imported (the place that Go's own messages name), or None for a file without it."""
    scan = _Scanner(source)
    if scan.name() != b"package" or not scan.name():
        return None
    while scan.name() == b"import":
        grouped = scan.takes(b"(")
        while not (grouped and scan.takes(b")")):
            scan.name()  # a name for the package, "_" or "."
            path = scan.path()
            if path is None:
                return None
            at, text = path
            if text == b"C":
                return _position(source, at)
            if not grouped:
                break
    return None


def find_import_c(path: Path) -> Position | None:
    """The same for a file.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return import_c_position(file.read(_LARGEST_HEAD))


class _Scanner:
    """Reads the few tokens that can stand before a file's first declaration."""

    def __init__(self, source: bytes) -> None:
        self._source = source
        self._at = 0

    def _skip(self) -> None:
        skipped = _SKIP.match(self._source, self._at)
        self._at = skipped.end() if skipped else self._at

    def name(self) -> bytes | None:
        """The identifier (or the "." of a dot import) that follows, if one does."""
        self._skip()
        found = _NAME.match(self._source, self._at)
        if found is None:
            return None
        self._at = found.end()
        return found[0]

    def path(self) -> tuple[int, bytes] | None:
        """The string that follows, if one does: its offset and its text."""
        self._skip()
        found = _PATH.match(self._source, self._at)
        if found is None:
            return None
        self._at = found.end()
        return found.start(), found[0][1:-1]

    def takes(self, mark: bytes) -> bool:
        """Whether `mark` follows; it is consumed then."""
        self._skip()
        if not self._source.startswith(mark, self._at):
            return False
        self._at += len(mark)
        return True


def _position(source: bytes, at: int) -> Position:
    line_start = source.rfind(b"\n", 0, at) + 1
    return Position(source.count(b"\n", 0, at) + 1, at - line_start + 1)
