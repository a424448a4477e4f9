"""Reads the numbers of DWARF tables one after the other.

Sources: DWARF 5, section 7.6 (LEB128); Linux Standard Base, "DWARF Extensions" (encoded pointers).
"""

from __future__ import annotations

import struct
from typing import Final

OMITTED: Final = 0xFF
_PC_RELATIVE: Final = 0x10
_DATA_RELATIVE: Final = 0x30
_MOST_LEB_BYTES: Final = 10
_FIXED: Final = {
    0x00: struct.Struct("<Q"),
    0x02: struct.Struct("<H"),
    0x03: struct.Struct("<I"),
    0x04: struct.Struct("<Q"),
    0x0A: struct.Struct("<h"),
    0x0B: struct.Struct("<i"),
    0x0C: struct.Struct("<q"),
}
_UNSIGNED_LEB: Final = 0x01
_SIGNED_LEB: Final = 0x09
WORD: Final = (1 << 64) - 1


class DamagedTableError(Exception):
    """A table that contradicts itself, or uses what no compiler for x86-64 Linux writes."""


class Cursor:
    """A place in a piece of a table. Each read moves it; one beyond the end raises DamagedTableError."""

    def __init__(self, data: bytes, address: int = 0) -> None:
        """`address` is where the first byte is loaded."""
        self._data = data
        self._address = address
        self.at = 0

    @property
    def left(self) -> int:
        """Bytes that are left."""
        return len(self._data) - self.at

    @property
    def here(self) -> int:
        """The address of the next byte."""
        return self._address + self.at

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        if not 0 <= size <= self.left:
            raise DamagedTableError
        self.at += size
        return self._data[self.at - size : self.at]

    def byte(self) -> int:
        """An unsigned byte."""
        return self.take(1)[0]

    def signed(self, size: int) -> int:
        """A signed number of so many bytes."""
        return int.from_bytes(self.take(size), "little", signed=True)

    def unsigned(self, size: int) -> int:
        """An unsigned number of so many bytes."""
        return int.from_bytes(self.take(size), "little")

    def uleb(self) -> int:
        """An unsigned number in LEB128."""
        return self._leb()[0]

    def sleb(self) -> int:
        """A signed number in LEB128."""
        value, bits, negative = self._leb()
        return value - (1 << bits) if negative else value

    def text(self) -> bytes:
        """A text up to its NUL."""
        end = self._data.find(b"\0", self.at)
        if end < 0:
            raise DamagedTableError
        return self.take(end + 1 - self.at)[:-1]

    def pointer(self, encoding: int, data_base: int = 0) -> int:
        """An encoded pointer (DW_EH_PE_...); one that leads to the true pointer in memory is not followed."""
        here, form, relation = self.here, encoding & 0x0F, encoding & 0x70
        if form in _FIXED:
            value = _FIXED[form].unpack(self.take(_FIXED[form].size))[0]
        elif form in (_UNSIGNED_LEB, _SIGNED_LEB):
            value = self.uleb() if form == _UNSIGNED_LEB else self.sleb()
        else:
            raise DamagedTableError
        if relation not in (0, _PC_RELATIVE, _DATA_RELATIVE):
            raise DamagedTableError
        base = {_PC_RELATIVE: here, _DATA_RELATIVE: data_base}.get(relation, 0)
        return int(value + base) & WORD

    def _leb(self) -> tuple[int, int, bool]:
        value = bits = 0
        for _ in range(_MOST_LEB_BYTES):
            byte = self.byte()
            value |= (byte & 0x7F) << bits
            bits += 7
            if not byte & 0x80:
                return value, bits, bool(byte & 0x40)
        raise DamagedTableError
