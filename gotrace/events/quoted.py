"""Splits the value of CC and its like into words, by the rules of the go command."""

from __future__ import annotations

import re

_WORD = re.compile(r"""[ \t\n\r]*(?:'(?P<single>[^']*)'|"(?P<double>[^"]*)"|(?P<plain>[^ \t\n\r]+))""")


def split_quoted(text: str) -> list[str]:
    """The words of `text`: blanks part them, a word that starts with a quote ends with it, nothing is an escape.

    Source: Split in Go's src/cmd/internal/quoted. An unterminated quote is an error there; here it is a letter.
    """
    words = []
    for found in _WORD.finditer(text):
        quoted = found["single"] if found["single"] is not None else found["double"]
        words.append(found["plain"] if quoted is None else quoted)
    return words
