"""An ELF file opened for reading here and there: its segments, its sections, the bytes at an address.

Reads by pread(2), never through a mapping: the file of somebody else may be cut short at any moment, and touching a
mapping of what is gone kills the process that looks. Nothing is read ahead. Any file is taken for a hostile one: each
read ends at the end of the file, and what does not add up is absent, not an exception.

Source: elf(5); the System V ABI, chapter 4 (extended numbering of sections).
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import NamedTuple, Self, TypeVar

from gotrace.elf.header import ElfHeader, parse_header

T = TypeVar("T")

PT_LOAD = 1
PT_DYNAMIC = 2
PT_INTERP = 3
PT_NOTE = 4
PT_TLS = 7
PT_GNU_STACK = 0x6474E551

SHT_SYMTAB = 2
SHT_NOTE = 7
SHT_DYNSYM = 11

EXECUTABLE = 1
WRITABLE = 2

_MOST_SECTIONS = 1 << 16
_MOST_SEGMENTS = 512
_EXTENDED_INDEX = 0xFFFF
_LARGEST_READ = 1 << 28
_LONGEST_TEXT = 1 << 12
_FIRST_READ_OF_TEXT = 256
_PIECE = 1 << 22
_MOST_SCANNED = 1 << 30
_PAGE = 4096


class Segment(NamedTuple):
    """A program header. `flags` are EXECUTABLE, WRITABLE and 4 (readable)."""

    type: int
    flags: int
    offset: int
    address: int
    file_size: int
    memory_size: int
    align: int


class Section(NamedTuple):
    """A section header."""

    name: str
    type: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    entry_size: int


class ElfFile:
    """An open ELF file. All addresses are those that the file itself numbers its contents by (`p_vaddr`)."""

    def __init__(self, fd: int, header: ElfHeader, size: int) -> None:
        self._fd = fd
        self.header = header
        self.size = size
        self.order = "<" if header.little_endian else ">"
        self.wide = header.bits == 64
        self.word_size = header.bits // 8
        self._word = struct.Struct(self.order + ("Q" if self.wide else "I"))

    @classmethod
    def open(cls, file: str | os.PathLike[str] | int) -> Self | None:
        """The file at a path or behind a descriptor (which stays the caller's); None where it is no ELF file.

        Raises:
            OSError: the file cannot be opened or read.
        """
        # Without O_NONBLOCK the opening of a FIFO waits for a writer.
        fd = os.dup(file) if isinstance(file, int) else os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            status = os.fstat(fd)
            header = parse_header(os.pread(fd, 64, 0)) if stat.S_ISREG(status.st_mode) else None
        except BaseException:
            os.close(fd)
            raise
        if header is None:
            os.close(fd)
            return None
        return cls(fd, header, status.st_size)

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        # The lives of cached images end where nobody stands to close them.
        if getattr(self, "_fd", -1) >= 0:
            self.close()

    def read(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes at an offset of the file: less where the file ends before.

        Raises:
            OSError: the file cannot be read (a disk or a network that fails).
        """
        size = min(size, self.size - offset, _LARGEST_READ)
        return os.pread(self._fd, size, offset) if size > 0 and offset >= 0 else b""

    def at(self, address: int, size: int) -> bytes:
        """Up to `size` bytes of what the file holds for an address: less where the segment's part of it ends."""
        for segment in self.loaded:
            within = address - segment.address
            if 0 <= within < segment.file_size:
                return self.read(segment.offset + within, min(size, segment.file_size - within))
        return b""

    def words(self, data: bytes) -> tuple[int, ...]:
        """The pointer-sized numbers that `data` consists of; a rest is left out."""
        count = len(data) // self.word_size
        return struct.unpack_from(f"{self.order}{count}{'Q' if self.wide else 'I'}", data)

    def text(self, offset: int) -> str | None:
        """The text that starts at an offset of the file and ends with a zero byte; None where none ends in reach."""
        for size in (_FIRST_READ_OF_TEXT, _LONGEST_TEXT):
            data = self.read(offset, size)
            end = data.find(b"\0")
            if end >= 0:
                return decoded(data[:end])
        return None

    def pieces(self, parts: Iterable[tuple[int, int]], overlap: int = 0) -> Iterator[tuple[int, bytes]]:
        """Parts of the file (offset and size) a few megabytes at a time, each piece with its offset.

        `overlap` bytes of the following piece come with each. Parts that lie over each other, as only a damaged file
        has them, are not read again and again: all ends after twice the file's size, or after a gigabyte.
        """
        left = min(2 * self.size, _MOST_SCANNED)
        for offset, size in parts:
            for start in range(offset, offset + min(size, self.size - offset), _PIECE):
                data = self.read(start, min(_PIECE + overlap, offset + size - start))
                left -= len(data)
                if left < 0:
                    return
                yield start, data

    def word(self, value: int) -> bytes:
        """A pointer-sized number as the file would hold it; bits beyond that are lost."""
        return self._word.pack(value & (1 << self.header.bits) - 1)

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """All program headers, in their order."""
        start, entry, count = self._table(0x20, 0x1C, 0x36, 0x2A)
        layout = struct.Struct(self.order + ("IIQQQQQQ" if self.wide else "IIIIIIII"))
        if entry < layout.size:
            return ()
        data = self.read(start, entry * min(count, _MOST_SEGMENTS))
        found = (layout.unpack_from(data, at) for at in range(0, len(data) - layout.size + 1, entry))
        return tuple(self._segment(*fields) for fields in found)

    def _segment(self, kind: int, *fields: int) -> Segment:
        if self.wide:
            flags, offset, address, _, in_file, in_memory, align = fields
        else:
            offset, address, _, in_file, in_memory, flags, align = fields
        return Segment(kind, flags & 7, offset, address, in_file, in_memory, align)

    @cached_property
    def loaded(self) -> tuple[Segment, ...]:
        """The segments that become memory (PT_LOAD)."""
        return tuple(segment for segment in self.segments if segment.type == PT_LOAD)

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """All section headers; none where the file has been stripped of them."""
        start, entry, count = self._table(0x28, 0x20, 0x3A, 0x2E)
        layout = struct.Struct(self.order + ("IIQQQQIIQQ" if self.wide else "IIIIIIIIII"))
        if not start or entry < layout.size:
            return ()
        first = self.read(start, layout.size)
        if len(first) < layout.size:
            return ()
        _, _, _, _, _, size, link, _, _, _ = layout.unpack(first)
        data = self.read(start, entry * min(count or size, _MOST_SECTIONS))
        found = [layout.unpack_from(data, at) for at in range(0, len(data) - layout.size + 1, entry)]
        (names,) = struct.unpack_from(self.order + "H", self.read(0x3E if self.wide else 0x32, 2).ljust(2, b"\0"))
        names = link if names == _EXTENDED_INDEX else names
        texts = self.read(found[names][4], found[names][5]) if names < len(found) else b""
        return tuple(
            Section(text_in(texts, name), kind, flags, address, offset, size, link, entry_size)
            for name, kind, flags, address, offset, size, link, _, _, entry_size in found
        )

    def _table(self, wide_at: int, narrow_at: int, wide_entry: int, narrow_entry: int) -> tuple[int, int, int]:
        """Offset, size of an entry and number of entries of one of the two tables of headers."""
        start = self.read(wide_at if self.wide else narrow_at, self.word_size)
        numbers = self.read(wide_entry if self.wide else narrow_entry, 4)
        if len(start) < self.word_size or len(numbers) < 4:
            return 0, 0, 0
        entry, count = struct.unpack(self.order + "HH", numbers)
        return self._word.unpack(start)[0], entry, count

    def section(self, *names: str) -> Section | None:
        """The first section that has one of the names and contents in the file."""
        return next((found for found in self.sections if found.name in names and found.type != 8), None)

    def offset_of(self, address: int) -> int | None:
        """Where in the file the byte at an address lies, or None where no segment fills it from the file."""
        for segment in self.loaded:
            if 0 <= address - segment.address < segment.file_size:
                return address - segment.address + segment.offset
        return None

    def address_of(self, offset: int) -> int | None:
        """The address of the byte at an offset of the file, an executable segment's before another's."""
        holding = [one for one in self.loaded if 0 <= offset - one.offset < one.file_size]
        for segment in sorted(holding, key=lambda one: not one.flags & EXECUTABLE):
            return offset - segment.offset + segment.address
        return None

    def is_code(self, address: int) -> bool:
        """Whether an address lies in an executable segment."""
        return any(
            segment.flags & EXECUTABLE and 0 <= address - segment.address < segment.file_size for segment in self.loaded
        )

    def address_at(self, ip: int, base: int, offset: int) -> int | None:
        """The file's own address for `ip` of a process that has `offset` of the file mapped at `base`.

        Two segments often share a page of the file, so the one that such a mapping is made for comes first: the
        executable one which starts in the mapping's first page. None where no segment covers the place.
        """
        place = ip - base + offset
        holding = [
            segment
            for segment in self.loaded
            if segment.offset // _PAGE * _PAGE <= place < segment.offset + max(segment.file_size, segment.memory_size)
        ]
        made_for_it = [segment for segment in holding if segment.offset // _PAGE * _PAGE == offset // _PAGE * _PAGE]
        for segment in sorted(made_for_it or holding, key=lambda one: not one.flags & EXECUTABLE):
            return place - segment.offset + segment.address
        return None


def reading(file: str | os.PathLike[str] | int, read: Callable[[ElfFile], T]) -> T | None:
    """What `read` makes of the file at a path or behind a descriptor, open meanwhile; None where it is no ELF file.

    Raises:
        OSError: the file cannot be opened or read.
    """
    opened = ElfFile.open(file)
    if opened is None:
        return None
    with opened:
        return read(opened)


def text_in(table: bytes, at: int) -> str:
    """The text at an offset of a string table, empty where there is none; its first 4 KB, should it be longer."""
    longest = at + _LONGEST_TEXT
    end = table.find(b"\0", at, longest)
    return decoded(table[at : end if end >= 0 else longest]) if at >= 0 else ""


def decoded(name: bytes) -> str:
    r"""A name as text: bytes that are no UTF-8 as \xNN."""
    return name.decode(errors="backslashreplace")
