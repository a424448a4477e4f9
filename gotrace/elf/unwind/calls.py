"""Calls, seen from where they return to: is there one right before an address, and what does it call?

Sources: Intel's manual, volume 2, CALL; the gABI's x86-64 supplement, sections 4.4 (relocations) and 5.2 (PLT).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Final

from gotrace.elf.dynamic_table import DynamicTable, Tag
from gotrace.elf.elf_file import ElfFile
from gotrace.elf.instruction import LONGEST, Instruction, decode
from gotrace.elf.symbol_table import dynamic_symbols

_LONGEST_CALL: Final = 8
_CALL_OF_ADDRESS, _CALL_OF_POINTER = 0xE8, 0xFF
_RELOCATION: Final = struct.Struct("<QQq")
_LARGEST_RELOCATIONS: Final = 1 << 24
_SLOT: Final = re.compile(r"qword ptr \[rip(?: ([+-]) (0x[0-9a-f]+|\d+))?\]$")
_TRAMPOLINE: Final = bytes.fromhex("48c7c00f000000 0f05")
"""mov rax, 15; syscall: rt_sigreturn(2), as all C libraries and Go write it."""


def call_before(file: ElfFile, address: int) -> Instruction | None:
    """The call instruction that ends where `address` begins, or None.

    Raises:
        OSError: the file cannot be read.
    """
    code = file.at(address - _LONGEST_CALL, _LONGEST_CALL)
    if len(code) < _LONGEST_CALL:
        return None
    for size in range(2, _LONGEST_CALL + 1):
        # What stands before the instruction's code are prefixes.
        if code[-size] != _CALL_OF_ADDRESS and _CALL_OF_POINTER not in code[-size : len(code) - 1]:
            continue
        found = decode(code[-size:], address - size)
        if found is not None and found.size == size and found.name.endswith("call"):
            return found
    return None


def is_signal_trampoline(file: ElfFile, address: int) -> bool:
    """Whether a signal handler that returns to `address` returns from the signal.

    Raises:
        OSError: the file cannot be read.
    """
    return file.at(address, len(_TRAMPOLINE)) == _TRAMPOLINE


def imported_by(file: ElfFile, entry: int) -> str:
    """The function of another file that an entry of the procedure linkage table leads to; "" where it is no such entry.

    Raises:
        OSError: the file cannot be read.
    """
    for _ in range(2):  # the jump may stand behind an endbr64
        found = decode(file.at(entry, LONGEST), entry)
        if found is None:
            return ""
        entry += found.size
        slot = _slot_of(found) if found.name == "jmp" else None
        if slot is not None:
            return _symbol_of_slot(file, slot)
    return ""


def asked_for(file: ElfFile, call: Instruction) -> str:
    """The function of another file that a call of this one leads to; "" where it is none, or its target is not known.

    Raises:
        OSError: the file cannot be read.
    """
    if call.target is not None:
        return imported_by(file, call.target)
    slot = _slot_of(call)  # code that is compiled with -fno-plt
    return "" if slot is None else _symbol_of_slot(file, slot)


def _slot_of(branch: Instruction) -> int | None:
    """The place in the global offset table whose content it jumps to."""
    slot = _SLOT.match(branch.operands)
    if slot is None:
        return None
    distance = int(slot[2] or "0", 0)
    return branch.address + branch.size + (-distance if slot[1] == "-" else distance)


def _symbol_of_slot(file: ElfFile, slot: int) -> str:
    table = dynamic_symbols(file)
    number = next((symbol for place, symbol in _relocations(file) if place == slot), None)
    if table is None or number is None:
        return ""
    fields = next((fields for at, fields in enumerate(table.fields()) if at == number), None)
    return "" if fields is None else table.name(fields[0])


def _relocations(file: ElfFile) -> Iterator[tuple[int, int]]:
    """Place and symbol of those for the procedure linkage table, and of all others."""
    dynamic = DynamicTable(file)
    for start, size in ((Tag.JMPREL, Tag.PLTRELSZ), (Tag.RELA, Tag.RELASZ)):
        at, length = dynamic.value(start), dynamic.value(size)
        data = file.at(at, min(length, _LARGEST_RELOCATIONS)) if at is not None and length is not None else b""
        for place, info, _ in _RELOCATION.iter_unpack(data[: len(data) // _RELOCATION.size * _RELOCATION.size]):
            yield place, info >> 32
