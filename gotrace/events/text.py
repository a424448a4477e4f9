r"""Bytes of the traced system as text, and back, without losing one.

Kernel names (paths, arguments, environment) are bytes, not text. They become UTF-8 text in which an undecodable byte
is `\xNN` and a literal backslash is `\\`, so that two different names never look the same and a recording stays plain
JSON. Control characters are left alone: each report escapes them in its own way.
"""

from __future__ import annotations

import re

_ESCAPE = re.compile(rb"\\(?:\\|x([0-9a-f]{2}))")


def printable(raw: bytes) -> str:
    r"""The text of `raw`: undecodable bytes as `\xNN` (lower-case), a literal backslash as `\\`."""
    if b"\\" in raw:
        raw = raw.replace(b"\\", rb"\\")
    return raw.decode("utf-8", "backslashreplace")


def to_bytes(text: str) -> bytes:
    """The bytes that `printable` made `text` of.

    Text that never went through `printable` gives its UTF-8 bytes; a backslash that starts no escape stays as it is.
    """
    raw = text.encode("utf-8", "surrogatepass")
    if b"\\" not in raw:
        return raw
    return _ESCAPE.sub(lambda found: bytes.fromhex(found[1].decode()) if found[1] else b"\\", raw)
