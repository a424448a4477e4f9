"""What a signal has interrupted, by what the kernel put on the stack for its handler: struct rt_sigframe of x86-64.

Source: arch/x86/include/asm/sigframe.h and include/uapi/asm/sigcontext.h of Linux; <sys/ucontext.h>.
"""

from __future__ import annotations

import struct
from typing import Final

from gotrace.elf.unwind.expression import ReadMemory

_REGISTERS_AT: Final = 40
"""From the start of ucontext_t: flags, link and the alternative stack stand before."""
_NAMES: Final = (
    *(f"r{number}" for number in range(8, 16)),
    *("rdi", "rsi", "rbp", "rbx", "rdx", "rax", "rcx", "rsp", "rip"),
)


def interrupted_registers(stack_pointer: int, read: ReadMemory) -> dict[str, int] | None:
    """The registers of the interrupted code, when a handler has just returned; None where memory is not known."""
    data = read(stack_pointer + _REGISTERS_AT, 8 * len(_NAMES))
    return None if data is None else dict(zip(_NAMES, struct.unpack(f"<{len(_NAMES)}Q", data), strict=True))
