r"""Texts as strace quotes them: C strings.

They are `printable` already, so a backslash in them is an escape (`\\` or `\xNN`) and stays.
"""

from __future__ import annotations

import re

_UNIT = re.compile(r"\\(?:\\|x[0-9a-f]{2})|.", re.DOTALL)
_TO_QUOTE = re.compile(r'["\x00-\x1f\x7f](?=([0-9])?)')
_SHORT_ESCAPES = {'"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r", "\v": "\\v", "\f": "\\f"}


def quote(text: str, limit: int | None = None) -> str:
    """`text` (printable) as a C string as strace prints it, cut after `limit` characters; an escape counts as one."""
    cut = ""
    if limit is not None and len(text) > limit:
        units = _UNIT.findall(text, 0, 4 * (limit + 1))
        if len(units) > limit:
            text, cut = "".join(units[:limit]), "..."
    return f'"{_TO_QUOTE.sub(_escape, text)}"{cut}'


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    if character in _SHORT_ESCAPES:
        return _SHORT_ESCAPES[character]
    return f"\\{ord(character):03o}" if found[1] else f"\\{ord(character):o}"
