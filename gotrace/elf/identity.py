"""The names by which a build is told from every other: GNU's build id and Go's.

Sources: elf(5) (notes); binutils' `ld --build-id`; Go's cmd/internal/buildid/note.go.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import NamedTuple

from gotrace.elf.elf_file import PT_NOTE, SHT_NOTE, ElfFile, decoded, reading

_GNU_BUILD_ID = 3
_GO_BUILD_ID = 4
_LARGEST_NOTES = 1 << 16
_MOST_NOTES = 64


class Identity(NamedTuple):
    """What names a build; empty where the file has no such note."""

    build_id: str = ""
    """NT_GNU_BUILD_ID in hexadecimal, as readelf -n, debuggers and debuginfod spell it."""
    go_build_id: str = ""
    """As `go tool buildid` prints it: actions and contents, parted by slashes."""


def identity_of(file: str | os.PathLike[str] | int) -> Identity | None:
    """The identity of the ELF file at a path or behind a descriptor, or None where it is no ELF file.

    Raises:
        OSError: the file cannot be opened or read.
    """
    return reading(file, read_identity)


def read_identity(file: ElfFile) -> Identity:
    """The same of a file that is open already."""
    found: dict[tuple[bytes, int], bytes] = {}
    for name, kind, content in _notes(file):
        found.setdefault((name, kind), content)
    build_id = found.get((b"GNU\0", _GNU_BUILD_ID), b"").hex()
    return Identity(build_id, decoded(found.get((b"Go\0\0", _GO_BUILD_ID), b"").rstrip(b"\0")))


def _notes(file: ElfFile) -> Iterator[tuple[bytes, int, bytes]]:
    """Name with its zero byte, type and content of each note."""
    parts = [(one.offset, one.file_size, one.align) for one in file.segments if one.type == PT_NOTE]
    # Objects have no segments; a detached file of debug information has them, but not what they held.
    parts += [(one.offset, one.size, 4) for one in file.sections if one.type == SHT_NOTE]
    for offset, size, align in parts:
        yield from _notes_in(file.read(offset, min(size, _LARGEST_NOTES)), file.order, 8 if align == 8 else 4)


def _notes_in(data: bytes, order: str, align: int) -> Iterator[tuple[bytes, int, bytes]]:
    at = 0
    for _ in range(_MOST_NOTES):
        if at + 12 > len(data):
            return
        name_size, size, kind = struct.unpack_from(order + "III", data, at)
        content = at + 12 + _up(name_size, 4)
        if content + size > len(data):
            return
        yield data[at + 12 : at + 12 + name_size], kind, data[content : content + size]
        at = content + _up(size, align)


def _up(size: int, align: int) -> int:
    return (size + align - 1) // align * align
