"""The symbol tables of an ELF file (.symtab, .dynsym) as they stand: one record a symbol, names read when asked for.

Source: elf(5); for files without section headers, the tables that the loader goes by (DT_SYMTAB, DT_HASH, DT_GNU_HASH).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from gotrace.elf.dynamic_table import DynamicTable, Tag
from gotrace.elf.elf_file import SHT_DYNSYM, SHT_SYMTAB, ElfFile, text_in

UNDEFINED = 0
NOTYPE, FUNC, IFUNC = 0, 2, 10
LOCAL, GLOBAL, WEAK = 0, 1, 2

_MOST_SYMBOLS = 1 << 22
_MOST_SPELLINGS = 1 << 10


class Symbol(NamedTuple):
    """One record of a symbol table; `name` is an offset into its string table."""

    name: int
    info: int
    section: int
    value: int
    size: int

    @property
    def type(self) -> int:
        """NOTYPE, FUNC, IFUNC or another number of <elf.h>."""
        return self.info & 15

    @property
    def binding(self) -> int:
        """LOCAL, GLOBAL, WEAK or another number of <elf.h>."""
        return self.info >> 4


class SymbolTable:
    """The raw bytes of a symbol table and of its names."""

    def __init__(self, file: ElfFile, records: bytes, names: bytes) -> None:
        self._wide = file.wide
        self._layout = struct.Struct(file.order + ("IBxHQQ" if file.wide else "IIIBxH"))
        count = min(len(records) // self._layout.size, _MOST_SYMBOLS)
        self._records = records[: count * self._layout.size]
        self._names = names

    def __len__(self) -> int:
        return len(self._records) // self._layout.size

    def fields(self) -> Iterator[tuple[int, int, int, int, int]]:
        """Name, info, section, value and size of each symbol: a Symbol, sparing the time to make one."""
        records = self._layout.iter_unpack(self._records)
        if self._wide:
            return records
        return ((name, info, section, value, size) for name, value, size, info, section in records)

    def name(self, at: int) -> str:
        """The name at an offset of the string table, without the version that some linkers write behind it."""
        return text_in(self._names, at).partition("@")[0]

    def named(self, wanted: str) -> Iterator[Symbol]:
        """The symbols of that name, with or without a version behind it."""
        places = set(islice(_places(self._names, wanted.encode()), _MOST_SPELLINGS))
        return (Symbol(*fields) for fields in self.fields() if fields[0] in places) if places else iter(())


def _places(names: bytes, wanted: bytes) -> Iterator[int]:
    """Where in a string table a name may be said to begin: also in the middle of a text that ends with it."""
    at = names.find(wanted)
    while at >= 0:
        if names[at + len(wanted) : at + len(wanted) + 1] in (b"\0", b"@"):
            yield at
        at = names.find(wanted, at + 1)


def section_table(file: ElfFile, kind: int = SHT_SYMTAB) -> SymbolTable | None:
    """The table that a section header of that type tells of."""
    section = next((one for one in file.sections if one.type == kind), None)
    if section is None or section.link >= len(file.sections):
        return None
    names = file.sections[section.link]
    return SymbolTable(file, file.read(section.offset, section.size), file.read(names.offset, names.size))


def dynamic_symbols(file: ElfFile) -> SymbolTable | None:
    """The table that the loader goes by, found with or without section headers."""
    found = section_table(file, SHT_DYNSYM)
    if found is not None:
        return found
    dynamic = DynamicTable(file)
    start = dynamic.value(Tag.SYMTAB)
    count = dynamic.symbol_count()
    if start is None or not count:
        return None
    return SymbolTable(file, file.at(start, count * (24 if file.wide else 16)), dynamic.texts)
