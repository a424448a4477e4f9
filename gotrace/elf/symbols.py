"""Which symbols the objects of an archive define and need: what nm(1) tells, by reading as little as that takes.

Sources: elf(5) (section headers, symbol tables); ar(5); binutils' archive.c for GNU's long names and thin archives.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from gotrace.elf.header import ARCHIVE_MAGIC, parse_header

_ENTRY_SIZE = 60
_SYMBOL_TABLE = 2
_UNDEFINED = 0
_LOCAL = 0
_WEAK = 2
_MOST_SECTIONS = 1 << 16


class Symbols(NamedTuple):
    """The global names of one object, as they are spelled in it (C++ names are mangled)."""

    defined: frozenset[bytes]
    undefined: frozenset[bytes]
    """Without weak ones, which may stay undefined."""


def symbols(data: bytes) -> Iterator[Symbols]:
    """The symbols of each ELF member of an archive, or of one object. What is neither, or is broken, has none."""
    for member in _members(data):
        try:
            found = _of_object(member)
        except struct.error:
            found = None
        if found is not None:
            yield found


def _members(data: bytes) -> Iterator[bytes]:
    if not data.startswith(ARCHIVE_MAGIC):
        yield data
        return
    at = len(ARCHIVE_MAGIC)
    while at + _ENTRY_SIZE <= len(data):
        size = data[at + 48 : at + 58].strip()
        if not size.isdigit():
            return
        at += _ENTRY_SIZE
        yield data[at : at + int(size)]
        at += int(size) + int(size) % 2


def _of_object(data: bytes) -> Symbols | None:
    header = parse_header(data)
    if header is None:
        return None
    order = "<" if header.little_endian else ">"
    wide = header.bits == 64
    start = struct.unpack_from(order + ("Q" if wide else "I"), data, 0x28 if wide else 0x20)[0]
    size, count = struct.unpack_from(order + "HH", data, 0x3A if wide else 0x2E)
    sections = [_section(data, order, wide, start + number * size) for number in range(min(count, _MOST_SECTIONS))]
    table = next((section for section in sections if section[0] == _SYMBOL_TABLE), None)
    if table is None or table[3] >= len(sections):
        return None
    _, offset, length, link = table
    names = data[sections[link][1] : sections[link][1] + sections[link][2]]
    return _sorted_out(data[offset : offset + length], names, order, wide)


def _section(data: bytes, order: str, wide: bool, at: int) -> tuple[int, int, int, int]:
    """Type, offset, size and link."""
    layout = "4xI16xQQI" if wide else "4xI8xIII"
    kind, offset, size, link = struct.unpack_from(order + layout, data, at)
    return kind, offset, size, link


def _sorted_out(table: bytes, names: bytes, order: str, wide: bool) -> Symbols:
    layout = struct.Struct(order + ("IBxH16x" if wide else "I8xBxH"))
    defined, undefined = set(), set()
    for name, info, section in layout.iter_unpack(table[: len(table) // layout.size * layout.size]):
        binding = info >> 4
        if binding == _LOCAL or not name:
            continue
        text = names[name : names.find(b"\0", name)]
        if section != _UNDEFINED:
            defined.add(text)
        elif binding != _WEAK:
            undefined.add(text)
    return Symbols(frozenset(defined), frozenset(undefined))
