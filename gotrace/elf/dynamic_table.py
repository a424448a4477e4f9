"""The dynamic section as the loader reads it: through PT_DYNAMIC, without section headers, and within bounds.

Sources: elf(5) (Dynamic tags); the System V ABI, chapter 5 (hash table); binutils' and glibc's <elf.h>; for the GNU
hash table, glibc's elf/dl-lookup.c.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from functools import cached_property

from gotrace.elf.elf_file import PT_DYNAMIC, ElfFile, text_in

_MOST_TAGS = 1 << 13


class Tag(IntEnum):
    """Tags of <elf.h> that are looked at."""

    NEEDED = 1
    PLTRELSZ = 2
    HASH = 4
    STRTAB = 5
    SYMTAB = 6
    RELA = 7
    RELASZ = 8
    STRSZ = 10
    SONAME = 14
    RPATH = 15
    TEXTREL = 22
    JMPREL = 23
    BIND_NOW = 24
    INIT_ARRAY = 25
    FINI_ARRAY = 26
    INIT_ARRAYSZ = 27
    FINI_ARRAYSZ = 28
    RUNPATH = 29
    FLAGS = 30
    RELRSZ = 35
    RELR = 36
    GNU_HASH = 0x6FFFFEF5
    VERSYM = 0x6FFFFFF0
    FLAGS_1 = 0x6FFFFFFB
    VERDEF = 0x6FFFFFFC
    VERNEED = 0x6FFFFFFE


class DynamicTable:
    """Tags and texts of a file's dynamic section; without one it is empty."""

    def __init__(self, file: ElfFile) -> None:
        self._file = file

    @cached_property
    def _tags(self) -> list[tuple[int, int]]:
        segment = next((one for one in self._file.segments if one.type == PT_DYNAMIC), None)
        if segment is None:
            return []
        most = _MOST_TAGS * 2 * self._file.word_size
        numbers = self._file.words(self._file.read(segment.offset, min(segment.file_size, most)))
        tags = list(zip(numbers[::2], numbers[1::2], strict=False))
        return tags[: next((place for place, (tag, _) in enumerate(tags) if tag == 0), len(tags))]

    def __bool__(self) -> bool:
        return bool(self._tags)

    def values(self, tag: Tag) -> list[int]:
        """The values of all entries with that tag."""
        return [value for number, value in self._tags if number == tag]

    def value(self, tag: Tag) -> int | None:
        """The value of the last entry with that tag, which is the one that a loader keeps."""
        return next(reversed(self.values(tag)), None)

    @cached_property
    def texts(self) -> bytes:
        """The string table."""
        start, size = self.value(Tag.STRTAB), self.value(Tag.STRSZ)
        return self._file.at(start, size) if start is not None and size is not None else b""

    def text(self, at: int) -> str:
        """The text at an offset of the string table."""
        return text_in(self.texts, at)

    def named(self, tag: Tag) -> list[str]:
        """The texts of all entries with that tag."""
        return [self.text(value) for value in self.values(tag)]

    def symbol_count(self) -> int:
        """How many symbols the dynamic symbol table has: only the hash tables tell. 0 where they do not."""
        classic = self.value(Tag.HASH)
        if classic is not None:
            head = self._file.at(classic, 8)
            return int(struct.unpack(self._file.order + "II", head)[1]) if len(head) == 8 else 0
        modern = self.value(Tag.GNU_HASH)
        return self._gnu_count(modern) if modern is not None else 0

    def _gnu_count(self, start: int) -> int:
        """One more than the last symbol of the chain that begins last; a chain ends at an odd hash."""
        file = self._file
        head = file.at(start, 16)
        if len(head) < 16:
            return 0
        buckets, first, bloom, _ = struct.unpack(file.order + "IIII", head)
        at = start + 16 + bloom * file.word_size
        numbers = _numbers(file, file.at(at, 4 * buckets))
        last = max(numbers, default=0)
        if last < first:
            return int(first)
        chain = _numbers(file, file.at(at + 4 * buckets + 4 * (last - first), 1 << 20))
        return last + next((place for place, value in enumerate(chain) if value & 1), -1) + 1


def _numbers(file: ElfFile, data: bytes) -> tuple[int, ...]:
    return struct.unpack_from(f"{file.order}{len(data) // 4}I", data)
