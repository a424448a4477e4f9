"""The lines of a cgo preamble that ask for something outside: `#cgo` and `#include`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from gotrace.capture.facts.import_c import Comment, Lines, Position, imports_of_c

_CGO = (b"#cgo ", b"#cgo\t")
"""How a line begins, once the blanks before it are off (go/build, saveCgo)."""
_INCLUDE = re.compile(rb"#[ \t]*(?:include_next|include|import)[ \t]*(?:<[^>]+>|\"[^\"]+\")")
_BLANKS = b" \t\r"


class Directive(NamedTuple):
    """One line, from its `#` on."""

    position: Position
    text: bytes


class Preambles(NamedTuple):
    """What the head of a Go file has of cgo: the place of its first `import "C"`, and the lines of all preambles."""

    import_c: Position
    directives: tuple[Directive, ...]


def preambles(source: bytes) -> Preambles | None:
    """The preambles of a Go file; None for one without cgo."""
    found = list(imports_of_c(source))
    if not found:
        return None
    lines = Lines(source)
    directives = [one for each in found for comment in each.preamble for one in _directives(source, comment, lines)]
    return Preambles(found[0].position, tuple(directives))


def _directives(source: bytes, comment: Comment, lines: Lines) -> Iterator[Directive]:
    start, end = comment.start + 2, comment.end  # without // and /*
    if source.startswith(b"/*", comment.start):
        end -= 2
    for line in source[start:end].split(b"\n"):
        text = line.strip(_BLANKS)
        include = _INCLUDE.match(text)
        if include is not None or text.startswith(_CGO):
            at = start + len(line) - len(line.lstrip(_BLANKS))
            yield Directive(lines.position(at), text if include is None else include[0])
        start += len(line) + 1
