"""An ELF file with an unwind table of one function, built byte by byte."""

from __future__ import annotations

import struct

CODE = 0x1000
"""Where the function is."""
SIZE = 0x40
TABLES = 0x2000
_HEADER = 64 + 2 * 56


def _record(body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    return struct.pack("<I", len(body)) + body


def elf_with_tables(rules: bytes, *, augmentation: bytes = b"zR", initial: bytes = b"\x0c\x07\x08\x90\x01") -> bytes:
    """A file whose function at CODE has these call frame instructions; `initial` are those of all functions.

    rsp + 8 is the frame address at its entry, and the return address is below that.
    """
    common = _record(bytes(4) + b"\x01" + augmentation + b"\0\x01\x78\x10\x01\x1b" + initial)
    frames = TABLES + 20
    place = frames + len(common)
    back, start = place + 4 - frames, CODE - (place + 8)
    function = _record(struct.pack("<iiI", back, start, SIZE) + b"\0" + rules)
    head = b"\x01\x1b\x03\x3b" + struct.pack("<iI", frames - (TABLES + 4), 1)
    head += struct.pack("<ii", CODE - TABLES, place - TABLES)
    tables = head + common + function + bytes(4)
    code = b"\x90" * SIZE
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = ident + struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 3, 0, 0, 0)
    offset = 64 + 3 * 56
    headers = struct.pack("<IIQQQQQQ", 1, 5, offset, CODE, CODE, SIZE, SIZE, 1)
    offset += SIZE
    for kind in (1, 0x6474E550):
        headers += struct.pack("<IIQQQQQQ", kind, 4, offset, TABLES, TABLES, len(tables), len(tables), 1)
    return header + headers + code + tables
