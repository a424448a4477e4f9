"""Where the Go code of a program begins, by which its function table (since Go 1.18) numbers everything.

The table itself no longer tells it reliably: its field is zero since Go 1.26, and unrelocated before that in what is
position-independent. The runtime's own record of the module (`moduledata`) does, in stripped files as well: it begins
with the address of the table and holds the addresses of the first and the last function, so a find is proved.

Source: Go's runtime/symtab.go (moduledata, pcHeader), unchanged in these fields from Go 1.18 (1.20) to 1.26.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from gotrace.elf.dynamic_table import DynamicTable, Tag
from gotrace.elf.elf_file import WRITABLE, ElfFile
from gotrace.elf.symbol_table import section_table

_MIN_PC, _MAX_PC, _TEXT = 20, 21, 22
"""Words from the start of moduledata: one pointer, six slices of three words and `findfunctab` go before."""
_FUNCTIONS_DATA = 40
"""As above, from Go 1.20 on."""
_MOST_CANDIDATES = 16


class GoText(NamedTuple):
    """What the offsets in a function table count from: addresses of the file."""

    start: int
    functions_data: int | None = None
    """Of data of functions (`gofunc`), from Go 1.20 on; None where the record of the module was not found."""


def text_of(file: ElfFile, table: int, header_word: int, first: int, last: int) -> GoText | None:
    """For the function table at address `table`; None where nothing tells.

    `header_word` is what the table's header says itself, `first` and `last` are the offsets at its ends.
    """
    relocations = _relocations(file)
    for record in _pointers_to(file, table, relocations):
        minimum, maximum, text = (
            _word(file, record + at * file.word_size, relocations) for at in (_MIN_PC, _MAX_PC, _TEXT)
        )
        if text is not None and minimum == text + first and maximum == text + last:
            return GoText(text, _word(file, record + _FUNCTIONS_DATA * file.word_size, relocations))
    symbols = section_table(file)
    symbol = next(iter(symbols.named("runtime.text")), None) if symbols is not None else None
    if symbol is not None:
        return GoText(symbol.value)
    # Not the start of .text, which may be a C linker's own code: no name is better than a wrong one.
    return GoText(header_word) if header_word and file.is_code(header_word + first) else None


def _relocations(file: ElfFile) -> bytes:
    """Those with addends (DT_RELA): place, kind and addend, a word each. A position-independent file has them."""
    dynamic = DynamicTable(file)
    start, size = dynamic.value(Tag.RELA), dynamic.value(Tag.RELASZ)
    return file.at(start, size) if start is not None and size is not None else b""


def _pointers_to(file: ElfFile, address: int, relocations: bytes) -> Iterator[int]:
    """Addresses of the words that hold, or will hold when the file is loaded, `address`."""
    word, size = file.word(address), file.word_size
    for at in _found(relocations, word, 2 * size, 3 * size):
        yield file.words(relocations[at - 2 * size : at - size])[0]
    yield from _written(file, word)


def _word(file: ElfFile, address: int, relocations: bytes) -> int | None:
    """What a word of data is once the file is loaded, by addresses of the file."""
    size = file.word_size
    for at in _found(relocations, file.word(address), 0, 3 * size):
        return next(iter(file.words(relocations[at + 2 * size : at + 3 * size])), None)
    return next(iter(file.words(file.at(address, size))), None)


def _found(records: bytes, word: bytes, field: int, size: int) -> Iterator[int]:
    """Where a word stands as the field at that offset of records of a size; the first few places."""
    at, found = records.find(word), 0
    while at >= 0 and found < _MOST_CANDIDATES:
        if at % size == field:
            found += 1
            yield at
        at = records.find(word, at + 1)


def _written(file: ElfFile, word: bytes) -> Iterator[int]:
    found = 0
    for offset, data in file.pieces(_data(file), overlap=len(word) - 1):
        at = data.find(word)
        while at >= 0 and found < _MOST_CANDIDATES:
            address = file.address_of(offset + at)
            if address is not None and address % file.word_size == 0:
                found += 1
                yield address
            at = data.find(word, at + 1)


def _data(file: ElfFile) -> Iterator[tuple[int, int]]:
    """Offset and size of what may hold the record: its own section where there is one, before all data."""
    own = file.section(".go.module")
    if own is not None:
        yield own.offset, own.size
    yield from ((segment.offset, segment.file_size) for segment in file.loaded if segment.flags & WRITABLE)
