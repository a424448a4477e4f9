"""How one x86-64 instruction does at another place what it would do at its own: for stepping over a breakpoint.

A breakpoint (int3) that is lifted for a moment is missed by all other threads. So the instruction below it is executed
elsewhere: a copy of it, by a single step, and then the instruction pointer is set as if it had been at its own place.

Source: Intel's manual, volume 2, chapter 2 (instruction format); the idea is gdb's ("displaced stepping").
"""

from __future__ import annotations

import functools
from typing import Any, Final, NamedTuple

LONGEST: Final = 15
SCRATCH: Final = ("rax", "rcx", "rdx", "rbx", "rsi", "rdi")
"""Registers that can stand in for rip in an operand, and their numbers there."""
_NUMBERS: Final = {"rax": 0, "rcx": 1, "rdx": 2, "rbx": 3, "rsi": 6, "rdi": 7}
_UNFIT: Final = ("syscall", "sysenter", "int", "pushf", "popf", "iret", "retf", "ljmp", "lcall", "xbegin", "hlt", "ud")
_MOD_AND_RM: Final = 0xC7
_RIP_RELATIVE: Final = 0x05
_REX_B: Final = 0x01
_VEX3, _VEX2, _EVEX = 0xC4, 0xC5, 0x62
_VEX_NOT_B: Final = 0x20
_OPERAND_SIZE, _ADDRESS_SIZE = 0x66, 0x67
_PREFIXES: Final = frozenset(b"\x66\x67\xf2\xf3\x2e\x36\x3e\x26\x64\x65\xf0")


class Displaced(NamedTuple):
    """An instruction of `size` bytes, and the `code` that does the same elsewhere."""

    size: int
    code: bytes
    scratch: str = ""
    """A register that has to hold the address behind the instruction meanwhile, and its own value again afterwards."""
    absolute: bool = False
    """Where it leads does not depend on where it stands: the instruction pointer is right as it is afterwards."""
    calls: bool = False
    """It pushes a return address, which has to be set right."""


class First(NamedTuple):
    """A function's first instruction, where a breakpoint behind it does as well as one before it."""

    size: int
    pushed: int
    """By how much it lowers the stack pointer."""


@functools.lru_cache(maxsize=4096)
def displaced(code: bytes, address: int) -> Displaced | None:
    """The instruction that `code` begins with, which lies at `address`; None where it can be executed there only."""
    found = _decoded(code, address)
    if found is None or found.mnemonic.startswith(_UNFIT):
        return None
    raw = bytes(found.bytes)
    calls = found.mnemonic.removeprefix("notrack ").startswith("call")
    returns = found.mnemonic.removeprefix("bnd ").removeprefix("repz ").startswith("ret")
    by_operand = found.opcode[0] == 0xFF and (found.modrm >> 3) & 7 in (2, 4)
    done = Displaced(found.size, raw, absolute=returns or by_operand, calls=calls)
    at = found.modrm_offset
    if not at or raw[at] & _MOD_AND_RM != _RIP_RELATIVE:
        return done
    return _without_rip(found, done, at)


def first(code: bytes, address: int, needed: frozenset[str]) -> First | None:
    """See `First`; None where a breakpoint has to stand before it. It must leave the registers `needed` alone."""
    found = _decoded(code, address)
    if found is None:
        return None
    if found.mnemonic == "endbr64":
        return First(found.size, 0)
    if found.mnemonic == "push" and found.size <= 2 and bytes(found.bytes)[0] != _OPERAND_SIZE:
        return First(found.size, 8)
    register, _, value = found.op_str.partition(", ")
    if found.mnemonic == "sub" and register == "rsp" and value[:1].isdigit():
        return First(found.size, int(value, 0))  # dlopen of glibc before 2.34
    _, written = found.regs_access()
    changed = {_whole(found.reg_name(register)) for register in written}
    if found.mnemonic == "mov" and changed and not changed & (needed | {"rsp"}):
        return First(found.size, 0)
    return None


def _without_rip(found: Any, done: Displaced, at: int) -> Displaced | None:
    """The same with a register in the place of rip: the two may be farther apart than 2 GB."""
    used = {_whole(found.reg_name(register)) for access in found.regs_access() for register in access}
    scratch = next(register for register in SCRATCH if register not in used)
    raw = bytearray(done.code)
    start = next(place for place, byte in enumerate(raw) if byte not in _PREFIXES)
    if _ADDRESS_SIZE in raw[:start] or raw[start] == _EVEX or (raw[start] == _VEX3 and not raw[start + 1] & _VEX_NOT_B):
        return None
    if raw[start] not in (_VEX3, _VEX2) and found.rex & _REX_B:
        return None
    raw[at] = raw[at] & ~_MOD_AND_RM & 0xFF | 0x80 | _NUMBERS[scratch]  # [scratch + 32 bits]
    return done._replace(code=bytes(raw), scratch=scratch)


def _whole(name: str) -> str:
    """The register that a part of it (eax, ax, al) belongs to."""
    if name in ("al", "ah", "ax", "bl", "bh", "bx", "cl", "ch", "cx", "dl", "dh", "dx"):
        return f"r{name[0]}x"
    if name in ("sil", "dil", "si", "di"):
        return f"r{name[:2]}"
    return f"r{name[1:]}" if name in ("eax", "ebx", "ecx", "edx", "esi", "edi", "esp", "ebp") else name


def _decoded(code: bytes, address: int) -> Any | None:
    return next(_disassembler().disasm(code[:LONGEST], address, 1), None)


@functools.cache
def _disassembler() -> Any:
    import capstone  # not at the top: it takes a twentieth of a second to import

    disassembler = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    disassembler.detail = True
    return disassembler
