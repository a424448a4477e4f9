"""From a place in C code to its caller, by the rules of the unwind tables.

Compilers leave the frame pointer out, so that the way back is known only to these tables, which every x86-64 Linux
compiler writes into .eh_frame because C++ exceptions need them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from gotrace.elf.unwind.cursor import WORD, DamagedTableError
from gotrace.elf.unwind.expression import ReadMemory, UnknownValueError, evaluate
from gotrace.elf.unwind.rules import How, Row, Rule, row_at
from gotrace.elf.unwind.tables import Description

_NAMES: Final = (
    "rax",
    "rdx",
    "rcx",
    "rbx",
    "rsi",
    "rdi",
    "rbp",
    "rsp",
    *(f"r{number}" for number in range(8, 16)),
    "rip",
)
"""Registers by their DWARF numbers (the gABI's x86-64 supplement, figure 3.36)."""
_NUMBERS: Final = {name: number for number, name in enumerate(_NAMES)}
_RSP: Final = _NUMBERS["rsp"]
_RIP: Final = _NUMBERS["rip"]
_SURVIVE_CALLS: Final = frozenset(_NUMBERS[name] for name in ("rbx", "rbp", "r12", "r13", "r14", "r15"))


class Caller(NamedTuple):
    """The registers of a caller at the place to which the callee returns; those that are not known are left out."""

    registers: dict[str, int]
    interrupted: bool
    """It was interrupted by a signal there, and called nobody: `rip` is the instruction itself, not the one after."""


class WayOut(NamedTuple):
    """How to come from one place of a function to its caller, whoever is there."""

    row: Row | None
    """None where the tables are damaged."""
    return_register: int
    signal: bool
    """See Description."""


def way_out(description: Description, address: int) -> WayOut:
    """That of a place in a function.

    `address` is as the file's tables number it: of a function that has called, a byte of the call (its return address
    may belong to the next function already).
    """
    try:
        row = row_at(description, address)
    except DamagedTableError:
        row = None
    return WayOut(row, description.common.return_register, description.signal)


def leave(way: WayOut, registers: Mapping[str, int], read: ReadMemory) -> Caller | None:
    """The caller of who is there with these registers.

    None where there is no caller, or where what it takes to tell is not known or damaged.
    """
    known = {_NUMBERS[name]: value for name, value in registers.items() if name in _NUMBERS}
    try:
        return None if way.row is None else _apply(way.row, way, known, read)
    except (DamagedTableError, UnknownValueError):
        return None


def _apply(row: Row, way: WayOut, known: dict[int, int], read: ReadMemory) -> Caller | None:
    frame = _frame_address(row, known, read)
    signal = way.signal
    # What a function may use freely is not known in its caller, unless a signal interrupted that.
    found = {number: value for number, value in known.items() if signal or number in _SURVIVE_CALLS}
    found.pop(_RIP, None)
    found[_RSP] = frame
    for number, rule in row.rules.items():
        try:
            value = _value(rule, frame, known, read)
        except UnknownValueError:
            value = None
        if value is None:
            found.pop(number, None)
        else:
            found[number] = value & WORD
    target = found.pop(way.return_register, 0)
    if not target:
        return None
    found[_RIP] = target
    return Caller({_NAMES[number]: value for number, value in found.items() if number < len(_NAMES)}, signal)


def _frame_address(row: Row, known: dict[int, int], read: ReadMemory) -> int:
    if row.expression:
        return evaluate(row.expression, known, read)
    if row.register not in known:
        raise UnknownValueError
    return (known[row.register] + row.offset) & WORD


def _value(rule: Rule, frame: int, known: dict[int, int], read: ReadMemory) -> int | None:
    match rule.how:
        case How.UNDEFINED:
            return None
        case How.REGISTER:
            return known.get(rule.number)
        case How.IS_FRAME_PLUS:
            return frame + rule.number
        case How.IS_EXPRESSION:
            return evaluate(rule.expression, known, read, frame)
        case How.SAVED_AT:
            place = frame + rule.number
        case How.SAVED_AT_EXPRESSION:
            place = evaluate(rule.expression, known, read, frame)
    data = read(place & WORD, 8)
    return None if data is None else int.from_bytes(data, "little")
