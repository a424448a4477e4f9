"""Finds `import "C"` in a Go file, and the comment above it that is its preamble: where cgo begins.

Reads the file's head only, as the Go specification orders it ("Source file organization"): package clause, then import
declarations, then the rest. Comments and strings that merely mention `import "C"` do not count.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

_LARGEST_HEAD = 1 << 20

_SKIP = re.compile(rb"[ \t\r\n;]+|(?P<comment>//[^\n]*|/\*.*?\*/)", re.DOTALL)
_NAME = re.compile(rb"[A-Za-z_\x80-\xff][\w\x80-\xff]*|[.]")
_PATH = re.compile(rb'"(?:[^"\\\n]|\\.)*"|`[^`]*`')
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Position(NamedTuple):
    """A place in a file: line and column from 1, the column in bytes, as Go counts them."""

    line: int
    column: int


class Comment(NamedTuple):
    """One comment: its offsets in the source, with its marks."""

    start: int
    end: int


class ImportC(NamedTuple):
    """One `import "C"`: where the `"C"` stands (the place that Go's own messages name), and its preamble."""

    position: Position
    preamble: tuple[Comment, ...]


class Lines:
    """The lines of a source, for positions."""

    def __init__(self, source: bytes) -> None:
        lengths = (len(line) + 1 for line in source.split(b"\n"))
        self._starts = list(accumulate(lengths, initial=0))

    def position(self, at: int) -> Position:
        """Line and column of an offset."""
        line = self.number(at)
        return Position(line, at - self._starts[line - 1] + 1)

    def number(self, at: int) -> int:
        """The line of an offset."""
        return bisect_left(self._starts, at + 1)


def imports_of_c(source: bytes) -> Iterator[ImportC]:
    """Each import of `"C"`, in order; a file may have several."""
    scan = _Scanner(source)
    if scan.name() != b"package" or not scan.name():
        return
    while scan.name() == b"import":
        above = scan.doc()
        specs = list(_specs(scan))
        for spec in specs:
            if spec.path == b"C":
                # go/build, readGoInfo: the comment above the declaration is the preamble of its only import.
                preamble = spec.doc or (above if len(specs) == 1 else ())
                yield ImportC(scan.lines.position(spec.at), preamble)


def read_head(path: Path) -> bytes:
    """As much of a file as imports are looked for in.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return file.read(_LARGEST_HEAD)


def import_c_position(source: bytes) -> Position | None:
    """Where the first `"C"` is imported, or None for a file without it."""
    first = next(imports_of_c(source), None)
    return None if first is None else first.position


def find_import_c(path: Path) -> Position | None:
    """The same for a file.

    Raises:
        OSError: the file cannot be read.
    """
    return import_c_position(read_head(path))


class _Spec(NamedTuple):
    """One import within a declaration."""

    at: int
    path: bytes
    doc: tuple[Comment, ...]


def _specs(scan: _Scanner) -> Iterator[_Spec]:
    """The imports of the declaration whose keyword was read."""
    grouped = scan.takes(b"(")
    while not (grouped and scan.takes(b")")):
        named = scan.name() is not None  # a name for the package, "_" or "."
        doc = scan.doc() if named else ()
        path = scan.path()
        if path is None:
            return
        own = doc if named else scan.doc()
        yield _Spec(path[0], path[1], own if grouped else ())
        if not grouped:
            return


class _Scanner:
    """Reads the few tokens that can stand before a file's first declaration, and the comments between them."""

    def __init__(self, source: bytes) -> None:
        self._source = source
        self._at = len(_BYTE_ORDER_MARK) if source.startswith(_BYTE_ORDER_MARK) else 0
        self._token = self._token_end = self._end_before = 0
        self._comments: list[Comment] = []
        self._skipped: list[Comment] = []
        self._lines: Lines | None = None

    @property
    def lines(self) -> Lines:
        """The lines of the source; most files have no import whose place matters."""
        if self._lines is None:
            self._lines = Lines(self._source)
        return self._lines

    def doc(self) -> tuple[Comment, ...]:
        """The comments that belong to the token read last: they end on the line above, without a gap between them.

        Source: go/parser, next and consumeCommentGroup.
        """
        comments = self._behind_the_token_before()
        group: list[Comment] = []
        for comment in comments:
            if group and self.lines.number(comment.start) > self.lines.number(group[-1].end - 1) + 1:
                group = []
            group.append(comment)
        if not group or self.lines.number(group[-1].end - 1) + 1 != self.lines.number(self._token):
            return ()
        return tuple(group)

    def _behind_the_token_before(self) -> Sequence[Comment]:
        """Without those that stand on the line of the token before: they belong to that."""
        line = self.lines.number(self._end_before - 1) if self._end_before else 0
        for number, comment in enumerate(self._comments):
            if self.lines.number(comment.start) != line:
                return self._comments[number:]
            line = self.lines.number(comment.end - 1)
        return ()

    def _skip(self) -> None:
        while (skipped := _SKIP.match(self._source, self._at)) is not None:
            if skipped["comment"] is not None:
                self._skipped.append(Comment(skipped.start(), skipped.end()))
            self._at = skipped.end()

    def _take(self, end: int) -> None:
        """The token that ends at `end`."""
        self._comments, self._skipped = self._skipped, []
        self._end_before, self._token_end = self._token_end, end
        self._token, self._at = self._at, end

    def name(self) -> bytes | None:
        """The identifier (or the "." of a dot import) that follows, if one does."""
        self._skip()
        found = _NAME.match(self._source, self._at)
        if found is None:
            return None
        self._take(found.end())
        return found[0]

    def path(self) -> tuple[int, bytes] | None:
        """The string that follows, if one does: its offset and its text."""
        self._skip()
        found = _PATH.match(self._source, self._at)
        if found is None:
            return None
        self._take(found.end())
        return found.start(), found[0][1:-1]

    def takes(self, mark: bytes) -> bool:
        """Whether `mark` follows; it is consumed then."""
        self._skip()
        if not self._source.startswith(mark, self._at):
            return False
        self._take(self._at + len(mark))
        return True
