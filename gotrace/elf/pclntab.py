"""Go's table of functions (pclntab): the function, the file and the line of an address, also in a stripped binary.

It is part of every Go program: the runtime itself needs it to walk stacks. Nothing is parsed when it is opened; a
look-up is a binary search in the table of entries, which is read as it stands when it is first asked for.

Sources: Go's internal/abi/symtab.go (magic numbers), runtime/symtab.go, cmd/link/internal/ld/pcln.go and
debug/gosym/pclntab.go; https://go.dev/s/go12symtab. Formats of Go 1.2, 1.16, 1.18 and 1.20 (which is still that of
Go 1.26). A program whose text was split into several sections (cmd/link does so on no x86) is not looked into.
"""

from __future__ import annotations

import struct
import sys
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from enum import IntEnum
from functools import cached_property
from itertools import islice
from typing import NamedTuple, Self

from gotrace.elf.elf_file import ElfFile
from gotrace.elf.gotext import GoText, text_of
from gotrace.elf.inlining import inlined, own_place

SECTIONS = (".gopclntab", ".data.rel.ro.gopclntab")

_NO_UNIT = 0xFFFFFFFF
_MOST_FUNCTIONS = 1 << 24
_MOST_CANDIDATES = 16
_FIRST_READ_OF_PAIRS = 1 << 10
_LARGEST_PAIRS = 1 << 20
_WHOLE_RECORD = 128


class Version(IntEnum):
    """The formats in their order, named after the first Go release that wrote them."""

    GO_1_2 = 2
    GO_1_16 = 16
    GO_1_18 = 18
    GO_1_20 = 20


MAGIC = {
    0xFFFFFFFB: Version.GO_1_2,
    0xFFFFFFFA: Version.GO_1_16,
    0xFFFFFFF0: Version.GO_1_18,
    0xFFFFFFF1: Version.GO_1_20,
}


class GoFunction(NamedTuple):
    """A function of the table. `size` runs up to the next function, so padding is counted in."""

    name: str
    start: int
    size: int
    compiled: bool
    """Whether it has source lines: not so C code that Go's own linker linked in, nor marks of that linker."""


class _Layout(NamedTuple):
    """Where in the file the parts of the table begin."""

    version: Version
    quantum: int
    functions: int
    names: int
    units: int
    files: int
    pairs: int
    records: int
    entries: int
    header_word: int


class FunctionTable:
    """The function table of one file."""

    def __init__(self, file: ElfFile, layout: _Layout) -> None:
        self._file = file
        self._layout = layout
        self._text = GoText(0)
        self._wide_entries = layout.version < Version.GO_1_18 and file.wide
        self._fields = struct.Struct(file.order + ("Q" if self._wide_entries else "I") + "8I")

    @classmethod
    def find(cls, file: ElfFile) -> Self | None:
        """The table of an open file, or None where it has none or what it has is damaged."""
        headers = ((address, layout) for address, at in _places(file) if (layout := _layout(file, at)) is not None)
        for address, layout in islice(headers, _MOST_CANDIDATES):
            table = cls(file, layout)
            if table._locate(address) and table.end > table.start and file.is_code(table.start):
                return table
        return None

    @property
    def start(self) -> int:
        """Address of the first function."""
        return self._base + self._starts[0]

    @property
    def end(self) -> int:
        """Where the last function ends."""
        return self._base + self._starts[-1]

    def __len__(self) -> int:
        return len(self._starts) - 1

    def at(self, address: int) -> GoFunction | None:
        """The function that an address lies in, or None outside of Go's text."""
        number = self._number(address)
        record = None if number is None else self._record(number)
        if number is None or record is None:
            return None
        name = self._file.text(self._layout.names + record[1])
        start = self._base + self._starts[number]
        size = self._starts[number + 1] - self._starts[number]
        return None if name is None else GoFunction(name, start, size, compiled=record[5] != 0)

    def line_at(self, address: int) -> tuple[str, int] | None:
        """Source file, as the compiler was told of it, and line of an address; None where the table does not say."""
        number = self._number(address)
        record = None if number is None else self._record(number)
        if number is None or record is None:
            return None
        within = address - self._base - self._starts[number]
        file, line = self._value(record[5], within), self._value(record[6], within)
        if file is None or line is None or line < 0:
            return None
        path = self._path(file, record[8])
        return None if path is None else (path, line)

    def own_place(self, address: int) -> int:
        """Where the function's own source is, at an address: the call of what was inlined there; see `line_at`.

        The address itself where nothing was inlined, and in programs of Go before 1.20.
        """
        number, data = self._number(address), self._text.functions_data
        if number is None or data is None or self._layout.version < Version.GO_1_20:
            return address
        there = inlined(self._file.read(self._place_of_record(number), _WHOLE_RECORD), self._file.order)
        if there is None:
            return address
        start, end = self._base + self._starts[number], self._base + self._starts[number + 1]
        within = address - start
        return start + own_place(
            self._file, data + there.tree, lambda at: self._value(there.indices, at), within, end - start
        )

    @cached_property
    def _table(self) -> Sequence[int]:
        """Entry and offset of the record of each function, in turn; one more entry ends the last function."""
        numbers = array("Q" if self._wide_entries else "I")
        data = self._file.read(self._layout.entries, (2 * self._layout.functions + 1) * numbers.itemsize)
        numbers.frombytes(data[: len(data) // numbers.itemsize * numbers.itemsize])
        if (sys.byteorder == "little") != self._file.header.little_endian:
            numbers.byteswap()
        return memoryview(numbers)

    @cached_property
    def _starts(self) -> Sequence[int]:
        starts = self._table[::2]
        return starts if len(starts) == self._layout.functions + 1 else ()

    def _locate(self, address: int) -> bool:
        """Find what the entries count from: nothing in old formats. Whether that was found."""
        if not self._starts:
            return False
        if self._layout.version < Version.GO_1_18:
            return True
        found = text_of(self._file, address, self._layout.header_word, self._starts[0], self._starts[-1])
        self._text = found or self._text
        return found is not None

    @property
    def _base(self) -> int:
        return self._text.start

    def _number(self, address: int) -> int | None:
        number = bisect_right(self._starts, address - self._base) - 1
        return number if 0 <= number < len(self._starts) - 1 else None

    def _record(self, number: int) -> tuple[int, ...] | None:
        data = self._file.read(self._place_of_record(number), self._fields.size)
        return self._fields.unpack(data) if len(data) == self._fields.size else None

    def _place_of_record(self, number: int) -> int:
        return self._layout.records + self._table[2 * number + 1]

    def _value(self, table: int, within: int) -> int | None:
        """The value that a table of (value, code) differences gives for a distance from the function's start."""
        size = _FIRST_READ_OF_PAIRS
        while table and size <= _LARGEST_PAIRS:
            data = self._file.read(self._layout.pairs + table, size)
            for value, end in _steps(data, self._layout.quantum):
                if within < end:
                    return value
            if len(data) < size or b"\0" in data[1:]:
                return None
            size *= 32
        return None

    def _path(self, number: int, unit: int) -> str | None:
        layout, order = self._layout, self._file.order
        if layout.version == Version.GO_1_2:
            place, texts = layout.files + 4 * number, layout.records
        else:
            place, texts = layout.units + 4 * (unit + number), layout.files
        data = self._file.read(place, 4)
        if number < 0 or len(data) < 4 or (unit == _NO_UNIT and layout.version != Version.GO_1_2):
            return None
        (offset,) = struct.unpack(order + "I", data)
        return None if offset == _NO_UNIT else self._file.text(texts + offset)


def _steps(data: bytes, quantum: int) -> Iterator[tuple[int, int]]:
    """The values of a table of differences in order, each with the distance at which it ends to hold."""
    at, value, end = 0, -1, 0
    while True:
        change, at = _varint(data, at)
        if change is None or (change == 0 and end):
            return
        length, at = _varint(data, at)
        if length is None:
            return
        value += -(change >> 1) - 1 if change & 1 else change >> 1
        end += length * quantum
        yield value, end


def _varint(data: bytes, at: int) -> tuple[int | None, int]:
    value = shift = 0
    for byte in data[at : at + 5]:
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at
    return None, at


def _places(file: ElfFile) -> Iterator[tuple[int, int]]:
    """Address and offset of what may be a table: by its section, else by its magic.

    A C linker put it among other data until Go 1.25, where the program was position-independent.
    """
    own = file.section(*SECTIONS)
    if own is not None:
        yield own.address, own.offset
        return
    among = file.section(".data.rel.ro")
    parts = [(among.offset, among.size)] if among is not None else []
    if not file.sections:
        parts = [(segment.offset, segment.file_size) for segment in file.loaded]
    for offset in _magic(file, parts):
        address = file.address_of(offset)
        if address is not None:
            yield address, offset


def _magic(file: ElfFile, parts: list[tuple[int, int]]) -> Iterator[int]:
    patterns = [struct.pack(file.order + "IH", magic, 0) for magic in MAGIC]
    for start, data in file.pieces(parts, overlap=5):
        for pattern in patterns:
            at = data.find(pattern)
            while at >= 0:
                yield start + at
                at = data.find(pattern, at + 1)


def _layout(file: ElfFile, at: int) -> _Layout | None:
    """Where the parts are, by the header at an offset of the file; None where that is no header of a table."""
    head = file.read(at, 8 + 8 * file.word_size)
    if len(head) < 8 + 8 * file.word_size:
        return None
    magic, padding, quantum, word_size = struct.unpack_from(file.order + "IHBB", head)
    if magic not in MAGIC or padding or quantum not in (1, 2, 4) or word_size != file.word_size:
        return None
    version, words = MAGIC[magic], file.words(head[8:])
    if not 0 < words[0] < _MOST_FUNCTIONS:
        return None
    if version == Version.GO_1_2:
        return _oldest(file, at, quantum, words[0])
    # Go 1.18 put the start of the text between the numbers and the offsets.
    text = version >= Version.GO_1_18
    names, units, files, pairs, records = (at + word for word in words[2 + text : 7 + text])
    header_word = words[2] if text else 0
    return _Layout(version, quantum, words[0], names, units, files, pairs, records, records, header_word)


def _oldest(file: ElfFile, at: int, quantum: int, functions: int) -> _Layout | None:
    """Until Go 1.15 all offsets count from the header, and the entries follow it."""
    entries = at + 8 + file.word_size
    after = file.read(entries + (2 * functions + 1) * file.word_size, 4)
    if len(after) < 4:
        return None
    files = at + int(struct.unpack(file.order + "I", after)[0])
    return _Layout(Version.GO_1_2, quantum, functions, at, 0, files, at, at, entries, 0)
