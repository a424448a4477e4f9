"""Symbol versions of an ELF file: which it defines, and which it asks of other libraries.

Sources: "ELF Symbol Versioning" by Ulrich Drepper; the LSB core specification, "Symbol Versioning"; <elf.h>.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from gotrace.elf.dynamic_table import DynamicTable, Tag
from gotrace.elf.elf_file import ElfFile

VERSYM_HIDDEN = 0x8000

_MOST_ENTRIES = 1 << 12
_BASE = 1


def defined_versions(dynamic: DynamicTable, file: ElfFile) -> dict[str, int]:
    """The versions that the file defines, with their index in the table of symbols' versions; not its own name."""
    found = {}
    for at in _chain(dynamic, file, Tag.VERDEF, 16):
        head = file.at(at, 20)
        if len(head) < 20:
            break
        _, flags, index, _, _, names, _ = struct.unpack(file.order + "HHHHIII", head)
        name = file.at(at + names, 4)
        if not flags & _BASE and len(name) == 4:
            found[dynamic.text(struct.unpack(file.order + "I", name)[0])] = index & ~VERSYM_HIDDEN
    return found


def needed_versions(dynamic: DynamicTable, file: ElfFile) -> dict[str, dict[str, int]]:
    """For each library the versions that the file asks of it, with their index in the table of symbols' versions."""
    found: dict[str, dict[str, int]] = {}
    left = _MOST_ENTRIES
    for at in _chain(dynamic, file, Tag.VERNEED, 12):
        head = file.at(at, 16)
        if len(head) < 16:
            break
        _, count, library, first, _ = struct.unpack(file.order + "HHIII", head)
        of_library = found.setdefault(dynamic.text(library), {})
        place = at + first
        for _ in range(min(count, left)):
            left -= 1
            entry = file.at(place, 16)
            if len(entry) < 16:
                break
            _, _, index, name, following = struct.unpack(file.order + "IHHII", entry)
            of_library[dynamic.text(name)] = index & ~VERSYM_HIDDEN
            place += following
            if not following:
                break
    return found


def _chain(dynamic: DynamicTable, file: ElfFile, tag: Tag, link: int) -> Iterator[int]:
    """Addresses of the records of a chain, each of which says, `link` bytes from its start, how far the next one is."""
    at = dynamic.value(tag)
    for _ in range(_MOST_ENTRIES):
        following = file.at(at, link + 4)[link:] if at is not None else b""
        if at is None or len(following) < 4:
            return
        yield at
        (distance,) = struct.unpack(file.order + "I", following)
        if not distance:
            return
        at += distance
