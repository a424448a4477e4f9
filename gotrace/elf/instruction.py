"""Single x86-64 instructions, decoded by capstone."""

from __future__ import annotations

import functools
from typing import Any, Final, NamedTuple

LONGEST: Final = 15
"""Bytes of the longest instruction (Intel's manual, volume 2, section 2.3.11)."""


class Instruction(NamedTuple):
    """One decoded instruction: `name` without prefixes that change nothing here (bnd, notrack)."""

    address: int
    size: int
    name: str
    operands: str

    @property
    def target(self) -> int | None:
        """Where a direct jump or call leads; None where a register or memory says it."""
        return int(self.operands, 16) if self.operands.startswith("0x") else None


def decode(code: bytes, address: int = 0) -> Instruction | None:
    """The instruction at the start of `code`, which lies at `address`; None where it is none that is known."""
    for at, size, name, operands in _disassembler().disasm_lite(code[:LONGEST], address, 1):
        return Instruction(at, size, name.removeprefix("bnd ").removeprefix("notrack "), operands)
    return None


def groups(code: bytes, address: int = 0) -> frozenset[str]:
    """What capstone groups the instruction at the start of `code` under ("avx2", "jump"); empty where it knows none."""
    disassembler = _disassembler(details=True)
    for found in disassembler.disasm(code[:LONGEST], address, 1):
        return frozenset(found.group_name(number) for number in found.groups)
    return frozenset()


@functools.cache
def _disassembler(*, details: bool = False) -> Any:
    import capstone  # not at the top: it takes a twentieth of a second to import

    disassembler = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    disassembler.detail = details
    return disassembler
