"""Bodies of the records about a running program: libraries, calls of the loader, signals. See records.py."""

from __future__ import annotations

import struct
from typing import Any, Final, NamedTuple

from gotrace.events.model import ClockReads, Dlerror, Dlopen, Dlsym, Event, Frame, Library, Signal
from gotrace.events.text import printable
from gotrace.sources.base import CallMoment, Moment
from gotrace.sources.ptrace.calls import call_of
from gotrace.sources.ptrace.mappings import Mapping

FUNCTIONS: Final = ("dlopen", "dlmopen", "dlsym", "dlvsym", "dlerror")
REGISTERS: Final = (
    "rip", "rsp", "rbp", "rbx", "r12", "r13", "r14", "r15", "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11",
)  # fmt: skip
"""Of a `Moment`, in the order of the record."""

_LIBRARY: Final = struct.Struct("<QQQQQ")
"""Base, size, offset, device, inode; the path follows, as long as the number in the record's head says."""
_CALL: Final = struct.Struct("<BBHHHQQQQQ")
"""Function, 1 where there is no text, bytes of two texts, 0, handle or namespace, flags, result, caller, begin."""
_THREAD: Final = struct.Struct("<II17Q")
"""Return addresses, bytes of stack, registers; both follow."""
_SIGNAL: Final = struct.Struct("<iIQBBHI17Q")
"""Code, sender, address, 1 where it is handled, bytes of instruction, frames, bytes of stack, registers."""


_CLOCK_READS: Final = struct.Struct("<QQQ")
"""Calls, when the first one began, and the place in code; the number in the record's head is the mark of the call."""


class Reads(NamedTuple):
    """So many calls by which one place in a process's code read the clock, the last one at `ts_ns`."""

    calls: int
    began_ns: int
    ts_ns: int
    ip: int


class Call(NamedTuple):
    """A call of one of the `FUNCTIONS` that returned."""

    function: int
    result: int
    caller: int
    began_ns: int
    handle: int = 0
    """First argument of dlsym and dlvsym; of dlmopen the namespace."""
    flags: int = 0
    text: bytes | None = None
    """The file name, the symbol, or what dlerror says."""
    version: bytes = b""


class Fault(NamedTuple):
    """A signal and the moment of its delivery."""

    code: int
    sender: int
    address: int
    handled: bool
    registers: tuple[int, ...]
    """As `REGISTERS` are."""
    instruction: bytes
    frames: tuple[int, ...]
    memory: bytes


class Thread(NamedTuple):
    """Where a thread is."""

    registers: tuple[int, ...]
    """As `REGISTERS` are."""
    memory: bytes
    callers: tuple[int, ...]
    """As a CallMoment has them."""


def library(found: Mapping) -> bytes:
    """Body of a record about a mapping."""
    return _LIBRARY.pack(found.base, found.size, found.offset, found.device, found.inode) + found.path


def call(made: Call) -> bytes:
    """Body of a record about a call."""
    text = made.text or b""
    head = _CALL.pack(
        made.function, made.text is None, len(text), len(made.version), 0, made.handle, made.flags, made.result,
        made.caller, made.began_ns,
    )  # fmt: skip
    return head + text + made.version


def clock_reads(made: Reads) -> bytes:
    """Body of a record about reads of the clock."""
    return _CLOCK_READS.pack(made.calls, made.began_ns, made.ip)


def fault(met: Fault) -> bytes:
    """Body of a record about a signal."""
    head = _SIGNAL.pack(
        met.code, met.sender, met.address, met.handled, len(met.instruction), len(met.frames), len(met.memory),
        *met.registers,
    )  # fmt: skip
    return head + struct.pack(f"<{len(met.frames)}Q", *met.frames) + met.instruction + met.memory


def thread(seen: Thread) -> bytes:
    """Body of a record about where a thread is."""
    head = _THREAD.pack(len(seen.callers), len(seen.memory), *seen.registers)
    return head + struct.pack(f"<{len(seen.callers)}Q", *seen.callers) + seen.memory


def library_event(who: dict[str, Any], number: int, data: bytes, at: int) -> Event:
    """The event of such a body; `number` is that of the record's head."""
    base, size, offset, device, inode = _LIBRARY.unpack_from(data, at)
    at += _LIBRARY.size
    path = printable(data[at : at + number])
    return Library(**who, path=path, base=base, size=size, offset=offset, device=device, inode=inode)


def call_event(who: dict[str, Any], _number: int, data: bytes, at: int) -> Event:
    """The event of such a body."""
    function, none, length, more, _, handle, flags, result, caller, began = _CALL.unpack_from(data, at)
    at += _CALL.size
    text, version = printable(data[at : at + length]), printable(data[at + length : at + length + more])
    by = Frame(caller)
    match FUNCTIONS[function]:
        case "dlopen":
            return Dlopen(**who, filename=None if none else text, flags=flags, handle=result, began_ns=began, caller=by)
        case "dlmopen":
            return Dlopen(
                **who, filename=None if none else text, flags=flags, handle=result, began_ns=began, caller=by,
                namespace=handle,
            )  # fmt: skip
        case "dlerror":
            return Dlerror(**who, text=None if none else text, caller=by)
    return Dlsym(**who, symbol=text, handle=handle, address=result, version=version, caller=by)


def clock_reads_event(who: dict[str, Any], number: int, data: bytes, at: int) -> Event:
    """The event of such a body."""
    count, began, ip = _CLOCK_READS.unpack_from(data, at)
    call = call_of(number)
    if call is None:
        raise ValueError(f"no call has the mark {number}")
    return ClockReads(**who, syscall=call.name, count=count, began_ns=began, ip=ip)


def signal_events(who: dict[str, Any], number: int, data: bytes, at: int) -> tuple[Event, Event]:
    """The two events of such a body."""
    code, sender, address, handled, of_instruction, frames, of_memory, *values = _SIGNAL.unpack_from(data, at)
    at += _SIGNAL.size
    stack = struct.unpack_from(f"<{frames}Q", data, at)
    at += 8 * frames
    instruction, memory = data[at : at + of_instruction], data[at + of_instruction : at + of_instruction + of_memory]
    registers = dict(zip(REGISTERS, values, strict=True))
    signal = Signal(
        **who, signal=number, code=code, address=address, sender=sender, handled=bool(handled),
        access="execute" if code > 0 and number in _TOUCHING and address == registers["rip"] else "",
        ip=registers["rip"], sp=registers["rsp"], instruction=instruction.hex(), stack=tuple(map(Frame, stack)),
    )  # fmt: skip
    return signal, Moment(**who, registers=registers, memory=memory)


def call_moment(who: dict[str, Any], _number: int, data: bytes, at: int) -> Event:
    """The event of such a body."""
    callers, of_memory, *values = _THREAD.unpack_from(data, at)
    at += _THREAD.size
    found = struct.unpack_from(f"<{callers}Q", data, at)
    at += 8 * callers
    registers = dict(zip(REGISTERS, values, strict=True))
    return CallMoment(**who, registers=registers, memory=data[at : at + of_memory], callers=found)


_TOUCHING: Final = frozenset({7, 11})
"""Signals of memory that was touched: by the instruction itself, or by fetching it, which ptrace(2) does not tell."""
