"""What there is to know of a thread at the delivery of a signal that may end it."""

from __future__ import annotations

import struct
from typing import Final

from gotrace.elf.unwind.goroutine import goroutine_callers
from gotrace.sources.ptrace import abi, bodies
from gotrace.sources.ptrace.breakpoints import Space
from gotrace.sources.ptrace.mappings import Mappings
from gotrace.sources.ptrace.processes import Process, disposition
from gotrace.sources.ptrace.requests import Control

STACK_BYTES: Final = 8192
MOST_FRAMES: Final = 32
_INSTRUCTION_BYTES: Final = 16
_FRAME: Final = struct.Struct("<QQ")
"""What a frame pointer points to: the caller's frame pointer, and the return address."""


def fault_of(control: Control, tid: int, number: int, process: Process, space: Space) -> bodies.Fault | None:
    """Of a thread that stopped for the signal `number`; None where it is gone, or would not have noticed without us."""
    info, values = control.signal_info(tid), control.registers(tid)
    handled, ignored = disposition(process.pid, number)
    if not info or not values or ignored:
        return None
    code, address = abi.FAULT.unpack_from(info)
    sender = abi.SENDER.unpack_from(info)[0] if code in abi.SENT else 0
    ip, stack = values[abi.RIP], process.memory.read(values[abi.RSP], STACK_BYTES)
    return bodies.Fault(
        code=code,
        sender=max(0, sender),
        address=address if code > 0 else 0,
        handled=handled,
        registers=tuple(values[abi.PLACES[name]] for name in bodies.REGISTERS),
        instruction=space.read(process.memory, ip, _INSTRUCTION_BYTES),
        frames=(ip, *(goroutine_callers(stack, process.memory.read) or _callers(values, process, space.mappings))),
        memory=stack,
    )


def _callers(values: tuple[int, ...], process: Process, mappings: Mappings) -> list[int]:
    """Return addresses along the frame pointers, for as long as they lead to code.

    Go keeps them, and code of C leaves Go's alone where it keeps none of its own. They may lead from one stack to
    another, so the next one may lie anywhere.
    """
    found: list[int] = []
    if values[abi.CS] == abi.CODE_SEGMENT_32:
        return found
    frame, seen = values[abi.RBP], set[int]()
    while frame and frame % 8 == 0 and frame not in seen and len(found) < MOST_FRAMES - 1:
        seen.add(frame)
        words = process.memory.read(frame, _FRAME.size)
        if len(words) < _FRAME.size:
            break
        frame, caller = _FRAME.unpack(words)
        if mappings.at(caller - 1) is None:
            break
        found.append(caller)
    return found
