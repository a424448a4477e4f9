"""Where a function of an x86-64 program returns: its RET instructions, found by following its control flow.

A probe at each of them sees every return, without touching the return address on the stack. Every address found is the
start of an instruction that the processor can reach from the function's entry; nothing is guessed from bytes.

What may leave the function by another way makes the answer incomplete: a jump whose target is computed, bytes that are
no known instruction, code too large to follow. Calls are taken to come back; after one that does not (abort(3)) the
walk would run on into the next function, so it ends where the unwind tables or the function's symbol say that it does.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from functools import cached_property
from typing import Final, NamedTuple

from gotrace.elf.elf_file import ElfFile
from gotrace.elf.instruction import LONGEST, Instruction, decode
from gotrace.elf.symbol_table import FUNC, dynamic_symbols
from gotrace.elf.unwind.tables import FrameTable

_MOST_INSTRUCTIONS: Final = 20_000
_RETURNS: Final = frozenset({"ret", "repz ret", "rep ret", "repnz ret", "repne ret"})
_FAR_RETURNS: Final = ("retf", "iret", "sysret", "sysexit")
_ENDS: Final = frozenset({"hlt", "ud0", "ud1", "ud2", "int3"})
_BRANCHES: Final = ("j", "loop", "xbegin", "ljmp")
_ALWAYS: Final = frozenset({"jmp", "ljmp"})


class Returns(NamedTuple):
    """Places in a file, and whether they are all."""

    offsets: tuple[int, ...]
    complete: bool
    """False where control may also leave the function by a way that could not be followed."""


def returns_of(file: str | os.PathLike[str] | int, offset: int, size: int = 0) -> Returns:
    """Offsets of the RET instructions of the function that begins at `offset` of an x86-64 ELF file.

    `size` is what its symbol says, 0 where that is not known. The RETs of functions to which it jumps as its last act
    are among them. A file that is no such ELF file, or has no code at the offset, has none, incomplete.
    glibc's own dlopen and its kin are incomplete, because of a hook that only statically linked programs set.

    Raises:
        OSError: the file cannot be opened or read.
    """
    image = ElfFile.open(file)
    if image is None:
        return Returns((), False)
    with image:
        address = image.address_of(offset) if image.header.machine == "x86_64" else None
        if address is None or not image.is_code(address):
            return Returns((), False)
        addresses, complete = return_addresses(image, address, size)
        offsets = (image.offset_of(place) for place in addresses)
        return Returns(tuple(place for place in offsets if place is not None), complete)


def return_addresses(image: ElfFile, address: int, size: int = 0) -> tuple[tuple[int, ...], bool]:
    """The same by the addresses that the file's own tables use: the places in order, and whether they are all.

    Raises:
        OSError: the file cannot be read.
    """
    walk = _Walk(image, address, size)
    walk.run()
    return walk.result()


class _Walk:
    """Follows every path from a function's entry."""

    def __init__(self, image: ElfFile, start: int, size: int) -> None:
        self._image = image
        self._table = FrameTable(image)
        self._own = range(start, start + size)
        self._pending = [start]
        self._seen: dict[int, int] = {}
        self._returns: set[int] = set()
        self._complete = True

    def run(self) -> None:
        """Walk until there is nothing left, or too much."""
        while self._pending and len(self._seen) <= _MOST_INSTRUCTIONS:
            self._straight(self._pending.pop())
        self._complete = self._complete and len(self._seen) <= _MOST_INSTRUCTIONS

    def result(self) -> tuple[tuple[int, ...], bool]:
        """The RETs that no other instruction overlaps: a probe there would damage the other."""
        inner = {address + byte for address, size in self._seen.items() for byte in range(1, size)}
        return tuple(sorted(self._returns - inner)), self._complete and not self._returns & inner

    def _straight(self, address: int) -> None:
        """From an address on until the path ends."""
        function = self._function_at(address)
        while address not in self._seen and len(self._seen) <= _MOST_INSTRUCTIONS:
            if function is not None and address not in function:
                return  # behind a call that does not come back
            found = decode(self._image.at(address, LONGEST), address) if self._image.is_code(address) else None
            if found is None:
                self._complete = False
                return
            self._seen[address] = found.size
            if self._ends(found):
                return
            address += found.size

    def _ends(self, found: Instruction) -> bool:
        """Note where else an instruction leads; whether the next one is not reached from it."""
        if found.name in _RETURNS:
            self._returns.add(found.address)
        elif found.name.startswith(_FAR_RETURNS):
            self._complete = False
        elif found.name.startswith(_BRANCHES):
            if found.target is None:
                self._complete = False
            else:
                self._pending.append(found.target)
            return found.name in _ALWAYS
        else:
            return found.name in _ENDS
        return True

    def _function_at(self, address: int) -> range | None:
        """The addresses of the function that a path is in (or of its cold part); None where nothing tells."""
        if address in self._own:
            return self._own
        described = self._table.covering(address)
        if described is not None:
            return range(described.start, described.start + described.size)
        number = bisect_right(self._symbols, (address, 1 << 64)) - 1
        start, size = self._symbols[number] if number >= 0 else (0, 0)
        return range(start, start + size) if address < start + size else None

    @cached_property
    def _symbols(self) -> list[tuple[int, int]]:
        """Start and size of the functions that the file exports."""
        table = dynamic_symbols(self._image)
        found = table.fields() if table is not None else ()
        return sorted((value, size) for _, info, _, value, size in found if info & 15 == FUNC and size)
