"""Lets a thread pass a breakpoint that stays planted, for the other threads: by a copy of the instruction below it."""

from __future__ import annotations

import os
import struct
from typing import Final, NamedTuple

from gotrace.elf.displaced import Displaced
from gotrace.sources.ptrace import abi
from gotrace.sources.ptrace.breakpoints import Site
from gotrace.sources.ptrace.memory import Memory
from gotrace.sources.ptrace.requests import Control

_WORD: Final = struct.Struct("<Q")


class Thread(NamedTuple):
    """A stopped thread: what it does is up to `control`, its memory is that of its process."""

    control: Control
    tid: int
    memory: Memory


def step_over(thread: Thread, values: list[int], slot: int, site: Site, *, undisturbed: bool = False) -> int:
    """Have a thread, whose registers shall be `values`, execute the instruction at `site` in `slot`, and let it run.

    0, or the wait status of another stop that came first: then it waits as if it had not come to the breakpoint yet,
    and will meet it again. Only one thread does this at a time: there is one slot. `undisturbed`: signals have to wait.
    Else a thread that gets them faster than it can be stepped would stay there for ever.
    """
    way, control = site.way, thread.control
    if way is None:
        raise ValueError("this breakpoint has to be removed")
    there = list(values)
    there[abi.RIP] = slot
    if way.scratch:
        there[abi.PLACES[way.scratch]] = site.address + way.size
    thread.memory.write(slot, way.code)
    control.set_registers(thread.tid, there)
    mask = control.block_signals(thread.tid) if undisturbed else None
    status = control.step(thread.tid)
    if mask is not None:
        control.set_signal_mask(thread.tid, mask)  # it waits, or is gone
    if status is None:
        return 0
    if os.WIFSTOPPED(status) and status >> 16 != abi.PTRACE_EVENT_EXEC:
        stepped = _stepped(thread, status)
        after = list(control.registers(thread.tid))
        if after:
            if way.scratch:
                after[abi.PLACES[way.scratch]] = values[abi.PLACES[way.scratch]]
            _back_to(thread, after, slot, site.address, way)
        if stepped:
            control.resume(thread.tid)
            return 0
    return status


def _stepped(thread: Thread, status: int) -> bool:
    """Whether that stop is the end of the step, and no other SIGTRAP."""
    if status >> 8 != abi.SIGTRAP:
        return False
    info = thread.control.signal_info(thread.tid)
    return bool(info) and abi.SIGNAL_CODE.unpack_from(info)[0] == abi.TRAP_TRACE


def _back_to(thread: Thread, after: list[int], slot: int, address: int, way: Displaced) -> None:
    """Set registers and stack as if all had happened at the instruction's own place, or not yet."""
    done = after[abi.RIP] != slot
    if not (done and way.absolute):
        after[abi.RIP] = (address + after[abi.RIP] - slot) & 0xFFFFFFFFFFFFFFFF
    if done and way.calls:
        thread.memory.write(after[abi.RSP], _WORD.pack(address + way.size))
    thread.control.set_registers(thread.tid, after)
