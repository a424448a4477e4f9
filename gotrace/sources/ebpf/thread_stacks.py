"""A thread as the probes tell of it (stacks.c): registers, memory of its stack, the goroutine that called into C."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from gotrace.sources.ebpf.compiled import Layout, format_of

_REGISTERS: Final = (
    "r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi", "orig_rax",
    "rip", "cs", "flags", "rsp", "ss",
)  # fmt: skip
"""struct pt_regs of <asm/ptrace.h>."""
_NOT_IN_A_MOMENT: Final = ("orig_rax", "cs", "flags", "ss")


class ThreadStack(NamedTuple):
    """What there is to find its callers by."""

    registers: dict[str, int]
    """As a Moment has them."""
    memory: bytes
    """From rsp on."""
    callers: tuple[int, ...]
    """Return addresses of the goroutine, the innermost first."""


class ThreadLayout:
    """Where that is in a record that has it as its last members."""

    def __init__(self, record: Layout) -> None:
        self._registers_at, self._registers = part(record, "registers")
        self._found_at, self._found = part(record, "go_found")
        self._callers_at = format_of(record, until="go_frames").size
        self._size_at, self._size = part(record, "memory_bytes")
        self._memory_at = format_of(record, until="memory").size

    def read(self, data: bytes, at: int) -> ThreadStack:
        """That of the record at a place."""
        values = self._registers.unpack_from(data, at + self._registers_at)
        (found,) = self._found.unpack_from(data, at + self._found_at)
        (size,) = self._size.unpack_from(data, at + self._size_at)
        memory = at + self._memory_at
        return ThreadStack(
            {name: value for name, value in zip(_REGISTERS, values, strict=True) if name not in _NOT_IN_A_MOMENT},
            data[memory : memory + size],
            struct.unpack_from(f"<{found}Q", data, at + self._callers_at),
        )


def part(layout: Layout, *names: str) -> tuple[int, struct.Struct]:
    """Offset and format of members that follow each other."""
    members = [member for member in layout.members if member[0] in names]
    return format_of(layout, until=names[0]).size, format_of(Layout(members))
