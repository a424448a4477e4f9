"""Decodes what the probes tell of a program's run: libraries, dl calls, signals, stacks of failing calls."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Final

import msgspec

from gotrace.events.model import ClockReads, Dlerror, Dlopen, Dlsym, Event, Exec, Frame, Library, Signal, SyscallError
from gotrace.events.text import printable
from gotrace.sources import syscalls
from gotrace.sources.base import CallMoment, Moment
from gotrace.sources.ebpf.compiled import Layout, format_of
from gotrace.sources.ebpf.thread_stacks import ThreadLayout, part

_Decode = Callable[[bytes, int], Event | None]

_PAGE_FAULT: Final = 14
_WRITE, _FETCH = 2, 16
"""Bits of a page fault's error code (arch/x86/include/asm/trap_pf.h)."""
_SENT_BY: Final = frozenset({0, -1, -6})
"""SI_USER, SI_QUEUE and SI_TKILL of sigaction(2): those tell the sender."""
_MINOR_BITS: Final = 20  # include/linux/kdev_t.h

ABIS: Final = ("x86_64", "i386", "x32")

_frame = lru_cache(maxsize=16384)(Frame)
_names = lru_cache(maxsize=4096)(printable)


class RunDecoder:
    """Made by `gotrace.sources.ebpf.records.RecordDecoder` where the capture follows a run."""

    def __init__(self, layouts: Mapping[str, Layout], constants: Mapping[str, int]) -> None:
        self._constants = constants
        self._functions = {number: name for name, number in constants.items() if name.startswith("DL_")}
        text, self._library = format_of(layouts["text_record"], until="text"), format_of(layouts["library_head"])
        self._text, self._text_bytes = text.unpack_from, text.size
        self._dl = format_of(layouts["dl_record"], until="text")
        signal = layouts["signal_record"]
        self._signal = format_of(signal, until="registers")
        self._signalled = ThreadLayout(signal)
        self._numbers_at, self._numbers = part(signal, "code", "signal", "instruction_bytes", "stack_bytes")
        self._frames_at = format_of(signal, until="frames").size
        self._instruction_at = format_of(signal, until="instruction").size
        failure = layouts["failure_record"]
        self._stack_at, self._stack = part(failure, "burst", "frames", "stack")
        self._burst = format_of(layouts["burst"])
        # Not in spools of older versions:
        self._clock_reads = format_of(layouts["clock_reads"]) if "clock_reads" in layouts else None
        self._calling = layouts.get("stack_record")
        self._of_burst: dict[int, SyscallError] = {}
        """The last call that was told of each kind that may become a burst."""
        self._stopped: set[int] = set()
        self._moments: list[Event] = []

    def decoders(self, failure: _Decode) -> dict[int, _Decode]:
        """By kind of record; `failure` decodes one without its stack."""

        def with_stack(data: bytes, at: int) -> Event | None:
            event = failure(data, at)
            if isinstance(event, SyscallError | Exec):
                burst, number, *addresses = self._stack.unpack_from(data, at + self._stack_at)
                event = msgspec.structs.replace(event, stack=tuple(map(_frame, addresses[:number])))
                if isinstance(event, SyscallError):
                    self._of_burst[burst] = event
            return event

        found: dict[int, _Decode] = {
            self._constants["KIND_FAILURE"]: with_stack,
            self._constants["KIND_LIBRARY"]: self._decode_library,
            self._constants["KIND_DL_CALL"]: self._decode_dl_call,
            self._constants["KIND_SIGNAL"]: self._decode_signal,
            self._constants["KIND_BURST"]: self._decode_burst,
        }
        if self._clock_reads is not None:
            found[self._constants["KIND_CLOCK_READS"]] = partial(_decode_clock_reads, self._clock_reads)
        if self._calling is not None:
            head = format_of(self._calling, until="registers")
            found[self._constants["KIND_STACK"]] = partial(_decode_stack, head, ThreadLayout(self._calling))
        return found

    def with_moments(self, events: list[Event]) -> list[Event]:
        """The events of whole records; each signal is followed by its `Moment`."""
        moments, self._moments = iter(self._moments), []
        both = []
        for event in events:
            both.append(event)
            if isinstance(event, Signal):
                both.append(next(moments))
        return both

    def take_stopped(self) -> set[int]:
        """Processes whose library records say that they were stopped."""
        stopped, self._stopped = self._stopped, set()
        return stopped

    def _decode_burst(self, data: bytes, at: int) -> Event:
        """All calls of one kind that were only counted, as one, which is like the one that was told last."""
        ts_ns, pid, tid, ns_pid, _, _, identity, _, folded, ip, number, error, abi, *_ = self._burst.unpack_from(
            data, at
        )
        told = self._of_burst.get(identity)
        if told is not None:
            return msgspec.structs.replace(told, ts_ns=ts_ns, tid=tid, repeat=folded)
        abi_name, name = named_call(abi, number)
        return SyscallError(
            ts_ns=ts_ns, pid=pid, tid=tid, ns_pid=_inner(ns_pid, pid), abi=abi_name, syscall=name, errno=error, ip=ip,
            repeat=folded,
        )  # fmt: skip

    def _decode_library(self, data: bytes, at: int) -> Event:
        ts_ns, pid, tid, ns_pid, _, _, length, flags = self._text(data, at)
        start = at + self._text_bytes
        base, size, offset, inode, device, _ = self._library.unpack_from(data, start)
        if flags & self._constants["FLAG_STOPPED"]:
            self._stopped.add(pid)
        names = data[start + self._library.size : start + length]
        path = _names(names.removesuffix(b"\0"))
        if inode or device:
            path = "/" + "/".join(map(_names, reversed(names.split(b"\0")[:-1])))
        major, minor = device >> _MINOR_BITS, device & ((1 << _MINOR_BITS) - 1)
        return Library(
            ts_ns=ts_ns, pid=pid, tid=tid, ns_pid=_inner(ns_pid, pid), path=path, base=base, size=size, offset=offset,
            device=os.makedev(major, minor), inode=inode,
        )  # fmt: skip

    def _decode_dl_call(self, data: bytes, at: int) -> Event | None:
        (ts_ns, pid, tid, ns_pid, _, part, began_ns, handle, flags, result, caller, name_bytes, version_bytes) = (
            self._dl.unpack_from(data, at)
        )
        function, inner, by = self._functions.get(part), _inner(ns_pid, pid), _frame(caller)
        name = _text(data, at + self._dl.size, name_bytes)
        if function in ("DL_OPEN", "DL_MOPEN"):
            return Dlopen(
                ts_ns=ts_ns, pid=pid, tid=tid, ns_pid=inner, filename=name if name_bytes else None,
                flags=_signed(flags), handle=result, began_ns=began_ns,
                namespace=_signed(handle, 64) if function == "DL_MOPEN" else None, caller=by,
            )  # fmt: skip
        if function in ("DL_SYM", "DL_VSYM"):
            return Dlsym(
                ts_ns=ts_ns, pid=pid, tid=tid, ns_pid=inner, symbol=name, handle=handle, address=result,
                version=_text(data, at + self._dl.size + name_bytes, version_bytes), caller=by,
            )  # fmt: skip
        return Dlerror(ts_ns=ts_ns, pid=pid, tid=tid, ns_pid=inner, text=name if name_bytes else None, caller=by)

    def _decode_signal(self, data: bytes, at: int) -> Event:
        ts_ns, pid, tid, ns_pid, _, _, address, handler, error_code, trap = self._signal.unpack_from(data, at)
        code, number, instruction_bytes, stack_bytes = self._numbers.unpack_from(data, at + self._numbers_at)
        registers, memory, of_go = self._signalled.read(data, at)
        instruction = at + self._instruction_at
        frames = struct.unpack_from(f"<{stack_bytes // 8}Q", data, at + self._frames_at)
        if set(frames).isdisjoint(of_go):  # else the frame pointers led that way by themselves
            frames += of_go
        inner = _inner(ns_pid, pid)
        moment = Moment(ts_ns=ts_ns, pid=pid, tid=tid, ns_pid=inner, memory=memory, registers=registers)
        self._moments.append(moment)
        return Signal(
            ts_ns=ts_ns, pid=pid, tid=tid, ns_pid=inner, signal=number, code=code,
            address=address if code > 0 else 0,
            sender=_sender(address & 0xFFFFFFFF, pid, ns_pid) if code in _SENT_BY else 0,
            access=_access(error_code) if code > 0 and trap == _PAGE_FAULT and number in (7, 11) else "",
            handled=handler != 0, ip=registers["rip"], sp=registers["rsp"],
            instruction=data[instruction : instruction + instruction_bytes].hex(),
            stack=tuple(map(_frame, frames)),
        )  # fmt: skip


def _decode_clock_reads(layout: struct.Struct, data: bytes, at: int) -> Event:
    ts_ns, pid, tid, ns_pid, _, _, _, since_ns, calls, ip, number, _ = layout.unpack_from(data, at)
    _, name = named_call(ABIS.index("x86_64"), number)
    return ClockReads(
        ts_ns=ts_ns, pid=pid, tid=tid, ns_pid=_inner(ns_pid, pid), syscall=name, count=calls, began_ns=since_ns, ip=ip
    )


def _decode_stack(head: struct.Struct, thread: ThreadLayout, data: bytes, at: int) -> Event:
    ts_ns, pid, tid, ns_pid, *_ = head.unpack_from(data, at)
    registers, memory, callers = thread.read(data, at)
    return CallMoment(
        ts_ns=ts_ns, pid=pid, tid=tid, ns_pid=_inner(ns_pid, pid), registers=registers, memory=memory, callers=callers
    )


def _text(data: bytes, at: int, size: int) -> str:
    """Of `size` bytes with the final NUL."""
    return _names(data[at : at + size - 1]) if size else ""


def _inner(ns_pid: int, pid: int) -> int | None:
    return ns_pid if ns_pid != pid else None


def _signed(number: int, bits: int = 32) -> int:
    number &= (1 << bits) - 1
    return number - (1 << bits) if number >> (bits - 1) else number


def _sender(sender: int, pid: int, ns_pid: int) -> int:
    """The signal names its sender as the receiver's own PID namespace does."""
    if sender == ns_pid:
        return pid
    return sender if pid == ns_pid else 0


def _access(error_code: int) -> str:
    if error_code & _FETCH:
        return "execute"
    return "write" if error_code & _WRITE else "read"


def named_call(abi: int, number: int) -> tuple[str, str]:
    """ABI and name of a system call; as the numbers of records.h have them."""
    text = ABIS[abi]
    return text, syscalls.names().get((text, number)) or f"syscall_{number}"
