"""The way out of a function without unwind tables: what its own instructions do to the stack until it returns.

From a place in it all paths are followed to the nearest returns, and what they pop is counted. Calls on the way come
back with the stack as it was. musl, for one, is compiled without tables and without frame pointers.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from typing import Final, NamedTuple

from gotrace.elf.elf_file import ElfFile
from gotrace.elf.instruction import LONGEST, Instruction, decode

_MOST_INSTRUCTIONS: Final = 2000
_LEAVE: Final = re.compile(r"rsp, \[(rsp|rbp)(?: ([+-]) (0x[0-9a-f]+|\d+))?\]$")
_ENDS: Final = frozenset({"hlt", "ud2", "int3"})


class Way(NamedTuple):
    """Where the return address is: `distance` bytes from what the register `base` holds now."""

    base: str
    distance: int
    restored: dict[str, int]
    """Where the registers of the caller are that are popped on the way, by their distance from `base`."""


class _Path(NamedTuple):
    address: int
    way: Way


def way_back(file: ElfFile, address: int, function: range) -> Iterator[Way]:
    """The ways from an address to the returns of its function, the shortest first, those that differ.

    `function` are the addresses known to belong to it, empty where nothing tells.

    Raises:
        OSError: the file cannot be read.
    """
    pending = deque([_Path(address, Way("rsp", 0, {}))])
    seen: set[int] = set()
    told: set[tuple[str, int]] = set()
    while pending and len(seen) < _MOST_INSTRUCTIONS:
        at, way = pending.popleft()
        if at in seen or not file.is_code(at):
            continue
        seen.add(at)
        found = decode(file.at(at, LONGEST), at)
        if found is None or found.name in _ENDS:
            continue
        if found.name.endswith("ret"):
            if way[:2] not in told:
                told.add(way[:2])
                yield way
            continue
        after = _after(found, way)
        if after is None:
            continue
        if found.name.startswith("j") and found.target is not None:
            pending.append(_Path(found.target, after))
        behind = at + found.size
        if found.name != "jmp" and (behind in function or at not in function):
            pending.append(_Path(behind, after))


def _after(found: Instruction, way: Way) -> Way | None:
    """How an instruction changes the way; None where the stack pointer is lost."""
    name, operands = found.name, found.operands
    base, distance, restored = way
    if name == "pop":
        return Way(base, distance + 8, {**restored, operands: distance})
    if name in ("push", "pushfq"):
        return Way(base, distance - 8, restored)
    if name == "leave":
        return Way("rbp", 8, {"rbp": 0})
    if not operands.startswith("rsp, "):
        return way
    value = operands.removeprefix("rsp, ")
    if name in ("add", "sub"):
        number = _number(value)
        return None if number is None else Way(base, distance + (number if name == "add" else -number), restored)
    if name == "mov":
        return Way("rbp", 0, restored) if value == "rbp" else None
    address = _LEAVE.match(operands)
    if name == "lea" and address is not None:
        offset = int(address[3] or "0", 0) * (-1 if address[2] == "-" else 1)
        return Way("rbp", offset, restored) if address[1] == "rbp" else Way(base, distance + offset, restored)
    return way if name in ("cmp", "test") else None


def _number(text: str) -> int | None:
    try:
        return int(text, 0)
    except ValueError:
        return None
