"""Words of a file that a loader has to relocate, and that the program uses as they stand where none did.

Sources: the generic ABI, "Relative Relocation Table" (DT_RELR); elf(5) (DT_JMPREL); psABI of x86-64, section 5.2: until
a function of another library is looked up, its slot in .got.plt holds the address of its own entry in .plt.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

from gotrace.elf.dynamic_table import DynamicTable, Tag
from gotrace.elf.elf_file import ElfFile, reading
from gotrace.elf.symbol_table import dynamic_symbols

_MOST_ENTRIES: Final = 1 << 20
_RELA: Final = "QQq"
_TABLES: Final = (
    ("init_array", Tag.INIT_ARRAY, Tag.INIT_ARRAYSZ),
    ("fini_array", Tag.FINI_ARRAY, Tag.FINI_ARRAYSZ),
)


class Held(NamedTuple):
    """A word that holds an address of the file itself."""

    kind: str
    """ "plt" (the slot of a function of another library) or "relr" (a packed relocation)."""
    symbol: str = ""
    """That function."""
    table: str = ""
    """ "init_array" or "fini_array" for a packed relocation in one of these."""


def holding(file: str | os.PathLike[str] | int, value: int) -> Held | None:
    """The word of a 64-bit ELF file (path or descriptor) that holds this address before it is relocated, or None.

    Raises:
        OSError: the file cannot be opened or read.
    """
    return reading(file, lambda opened: _holding(opened, value))


def _holding(file: ElfFile, value: int) -> Held | None:
    dynamic = DynamicTable(file) if file.wide else None
    return (_slot(file, dynamic, value) or _packed(file, dynamic, value)) if dynamic else None


def _slot(file: ElfFile, dynamic: DynamicTable, value: int) -> Held | None:
    start, size = dynamic.value(Tag.JMPREL), dynamic.value(Tag.PLTRELSZ)
    if start is None or not size:
        return None
    entry = struct.Struct(file.order + _RELA)
    data = file.at(start, min(size, entry.size * _MOST_ENTRIES))
    for place, info, _ in entry.iter_unpack(data[: len(data) // entry.size * entry.size]):
        if info >> 32 and file.words(file.at(place, file.word_size)) == (value,):
            return Held("plt", symbol=_name(file, info >> 32))
    return None


def _name(file: ElfFile, number: int) -> str:
    table = dynamic_symbols(file)
    fields = next(islice(table.fields(), number, None), None) if table is not None else None
    return table.name(fields[0]) if table is not None and fields is not None else ""


def _packed(file: ElfFile, dynamic: DynamicTable, value: int) -> Held | None:
    for place in _places(file, dynamic):
        if file.words(file.at(place, file.word_size)) == (value,):
            return Held("relr", table=_table(dynamic, place))
    return None


def _places(file: ElfFile, dynamic: DynamicTable) -> Iterator[int]:
    """The addresses of all words with a packed relocation."""
    start, size, word = dynamic.value(Tag.RELR), dynamic.value(Tag.RELRSZ), file.word_size
    where = 0
    for entry in file.words(file.at(start, min(size, word * _MOST_ENTRIES))) if start is not None and size else ():
        if not entry & 1:
            yield entry
            where = entry + word
            continue
        for bit in range(8 * word - 1):
            if entry >> (bit + 1) & 1:
                yield where + bit * word
        where += (8 * word - 1) * word


def _table(dynamic: DynamicTable, place: int) -> str:
    for name, at, size in _TABLES:
        start = dynamic.value(at)
        if start is not None and start <= place < start + (dynamic.value(size) or 0):
            return name
    return ""
