"""Which function an address of a file lies in: Go's table for Go's code, the symbol tables for all other.

Names are as in the file: those of C++ and Rust stay mangled.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from functools import cached_property
from typing import NamedTuple, Self

from gotrace.elf.elf_file import EXECUTABLE, SHT_SYMTAB, ElfFile, Section
from gotrace.elf.pclntab import FunctionTable
from gotrace.elf.symbol_table import FUNC, GLOBAL, IFUNC, LOCAL, NOTYPE, WEAK, SymbolTable, dynamic_symbols
from gotrace.elf.symbol_table import section_table as table_of_section

GO, C = "go", "c"

_LOOKED_BACK = 32
_EXPORTED = 1
_REMEMBERED = 1 << 14
_EXECUTABLE_SECTION = 4
_RESERVED_INDEX = 0xFF00
_BINDINGS = {GLOBAL: 1, WEAK: 1, LOCAL: 0}
"""C libraries have their functions under names of their own, and the public one as a weak other name."""


class Function(NamedTuple):
    """A function: `start` is its address in the file, `size` in bytes, 0 where nothing tells it."""

    name: str
    start: int
    size: int
    origin: str
    """"go" or "c" (whatever is not compiled by Go)."""
    local: bool = False
    """By its symbol no other file, and no other object that was linked with it, may call it."""


class Functions:
    """The functions of one file, found one at a time. Not for use by several threads at once."""

    def __init__(self, file: ElfFile) -> None:
        self.file = file
        self._found: dict[int, Function | None] = {}

    @classmethod
    def open(cls, file: str | os.PathLike[str] | int) -> Self | None:
        """Those of the file at a path or behind a descriptor (which stays the caller's); None where it is no ELF file.

        Raises:
            OSError: the file cannot be opened or read.
        """
        opened = ElfFile.open(file)
        return None if opened is None else cls(opened)

    def close(self) -> None:
        """Close the file: what was not looked up before can no longer be."""
        self.file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def at(self, address: int) -> Function | None:
        """The function that an address of the file lies in, or None where nothing tells.

        For an address of a process see `ElfFile.address_at`. For a return address ask one byte before: the call may be
        the last instruction of its function.

        Raises:
            OSError: the file cannot be read.
        """
        if address not in self._found:
            if len(self._found) >= _REMEMBERED:
                self._found.clear()
            self._found[address] = self._go(address) or self._symbol(address)
        return self._found[address]

    def of_symbols(self) -> list[Function]:
        """Those of the first symbol table that has any, but Go's, by their addresses; each name of one is there.

        Raises:
            OSError: the file cannot be read.
        """
        return next((found for table in self._tables if (found := table.all())), [])

    def line_at(self, address: int, *, own: bool = False) -> tuple[str, int] | None:
        """Source file and line of an address of Go code; None elsewhere.

        `own`: in the source of the function itself, where something else was inlined into it.

        Raises:
            OSError: the file cannot be read.
        """
        if self.go is None:
            return None
        return self.go.line_at(self.go.own_place(address) if own else address)

    @cached_property
    def go(self) -> FunctionTable | None:
        """Go's table, or None for a file without one."""
        return FunctionTable.find(self.file)

    def _go(self, address: int) -> Function | None:
        found = self.go.at(address) if self.go is not None else None
        if found is None:
            return None
        # What Go's linker marks places by ("go:textfipsstart") has no source either.
        origin = GO if found.compiled or found.name.startswith("go:") else C
        return Function(found.name, found.start, found.size, origin)

    def _symbol(self, address: int) -> Function | None:
        for table in self._tables:
            found = table.at(address)
            if found is not None:
                return found
        return None

    @cached_property
    def _tables(self) -> list[_Sorted]:
        tables = table_of_section(self.file, SHT_SYMTAB), dynamic_symbols(self.file)
        go = range(self.go.start, self.go.end) if self.go is not None else range(0)
        return [_Sorted(self.file, table, go) for table in tables if table is not None]


class _Sorted:
    """The functions of one symbol table by their address, without those that Go's own table has."""

    def __init__(self, file: ElfFile, table: SymbolTable, go: range) -> None:
        self._file = file
        self._table = table
        self._go = go

    @cached_property
    def _symbols(self) -> list[tuple[int, int, int, int]]:
        """Address, size, rank among several names, and name."""
        low, high = self._go.start, self._go.stop
        return sorted(
            (value, size, _BINDINGS.get(info >> 4, 0) + 2 * (info & 15 != NOTYPE), name)
            for name, info, section, value, size in self._table.fields()
            if (info & 15 in (FUNC, IFUNC) or (info & 15 == NOTYPE and name))
            and 0 < section < _RESERVED_INDEX
            and not low <= value < high
        )

    @cached_property
    def _starts(self) -> list[int]:
        return [symbol[0] for symbol in self._symbols]

    def at(self, address: int) -> Function | None:
        """The function that spans the address, else the nearest one below of unknown size in the same section."""
        number = bisect_right(self._starts, address) - 1
        for back in range(number, max(number - _LOOKED_BACK, -1), -1):
            start, size, _, _ = self._symbols[back]
            if address < start + size:
                return self._best(start, size)
        if number >= 0 and self._symbols[number][1] == 0 and self._together(self._starts[number], address):
            return self._best(self._starts[number], 0)
        return None

    def _best(self, start: int, size: int) -> Function | None:
        """Of the names that a function has, the one that a programmer would know it by."""
        first = bisect_right(self._starts, start - 1)
        last = bisect_right(self._starts, start, lo=first)
        named = [
            (rank, -len(name) + len(name.lstrip("_")), -len(name), name)
            for _, length, rank, at in self._symbols[first : min(last, first + _LOOKED_BACK)]
            if length == size and (name := self._table.name(at)) and not name.startswith("$")
        ]
        if not named:
            return None
        rank, *_, name = max(named)
        return Function(name, start, size, C, local=not rank & _EXPORTED)

    def all(self) -> list[Function]:
        """All of them, by their addresses."""
        return [
            Function(self._table.name(name), start, size, C, local=not rank & _EXPORTED)
            for start, size, rank, name in self._symbols
        ]

    def _together(self, start: int, address: int) -> bool:
        section = next((one for one in self._code if 0 <= start - one.address < one.size), None)
        if section is not None:
            return address - section.address < section.size
        return not self._file.sections and any(
            segment.flags & EXECUTABLE and segment.address <= start and address < segment.address + segment.file_size
            for segment in self._file.loaded
        )

    @cached_property
    def _code(self) -> list[Section]:
        return [section for section in self._file.sections if section.flags & _EXECUTABLE_SECTION]
