"""The one place where text that came from the traced system is made safe to show.

Whoever builds on a machine decides what file names, arguments and compiler messages hold; a report must not let them
move the cursor, recolour the terminal or reorder what is read. Dangerous characters are shown, never dropped.
"""

from __future__ import annotations

import re

_CONTROL = r"\x00-\x08\x0b-\x1f\x7f-\x9f"
"""C0 (with ESC and carriage return) and C1, but for the tab and the newline."""
_BIDI = r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_LINES = r"\u2028\u2029"
_SURROGATES = r"\ud800-\udfff"
"""Undecodable bytes that slipped through; they cannot be written as UTF-8."""

_UNSAFE_IN_BLOCK = re.compile(f"[{_CONTROL}{_BIDI}{_LINES}{_SURROGATES}]")
_UNSAFE_IN_LINE = re.compile(rf"[\t\n{_CONTROL}{_BIDI}{_LINES}{_SURROGATES}]")
_TO_A_CI = re.compile(r"##(?=\w*\[)")
"""GitHub Actions, Azure Pipelines and TeamCity obey `##[...]`, `##vso[...]` and `##teamcity[...]` anywhere in a line.

Their `::` at the beginning of a line is for whoever makes lines; see `page`.
"""
_NAMED = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}


def safe_line(text: str) -> str:
    """`text` on one line: control, bidi and line-breaking characters shown as escapes such as `\\x1b` or `\\u202e`."""
    return _TO_A_CI.sub(r"#\\x23", _UNSAFE_IN_LINE.sub(_shown, text))


def safe_block(text: str) -> str:
    """As `safe_line`, but newlines and tabs stay: for what is shown as a block. CR LF counts as a newline."""
    return _TO_A_CI.sub(r"#\\x23", _UNSAFE_IN_BLOCK.sub(_shown, text.replace("\r\n", "\n")))


def safe_json(document: str) -> str:
    """A JSON document whose strings hold no such character raw: written as JSON's own `\\uXXXX`, so the value stays."""
    return _TO_A_CI.sub(r"#\\u0023", _UNSAFE_IN_BLOCK.sub(lambda found: f"\\u{ord(found[0]):04x}", document))


def _shown(found: re.Match[str]) -> str:
    character = found[0]
    if character in _NAMED:
        return _NAMED[character]
    return f"\\x{ord(character):02x}" if ord(character) < 0x100 else f"\\u{ord(character):04x}"
