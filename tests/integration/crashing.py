"""Runs a program until a signal that would end it, and looks at the stopped process as a source of events does."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gotrace.capture.naming import Naming
from gotrace.elf.unwind.goroutine import goroutine_callers
from gotrace.events.model import Event, Frame, Library, Signal
from gotrace.sources.base import Moment

ENDING = (signal.SIGILL, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGSEGV)
_TRACEME, _CONT, _KILL, _GETREGS, _SETOPTIONS = 0, 7, 8, 12, 0x4200
_O_CLONES_AND_EXITKILL = 0x8 | 0x100000
_WALL = 0x40000000
_STACK = 8192
_NAMES = (
    *("r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi"),
    *("orig_rax", "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs"),
)
_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


@dataclass
class Crash:
    """A process that a signal has stopped."""

    pid: int
    tid: int
    signal: int
    registers: dict[str, int]
    memory: bytes
    chain: list[int]
    """The instruction's own address, then the goroutine's that has called C, else those along the frame pointers."""
    libraries: list[Library] = field(default_factory=list)

    def events(self) -> list[Event]:
        """What a source would report of it."""
        stack = tuple(Frame(ip) for ip in self.chain)
        ip, sp = self.registers["rip"], self.registers["rsp"]
        told = Signal(ts_ns=2, pid=self.pid, tid=self.tid, signal=self.signal, ip=ip, sp=sp, stack=stack)
        moment = Moment(ts_ns=2, pid=self.pid, tid=self.tid, registers=self.registers, memory=self.memory)
        return [*self.libraries, told, moment]

    def stack(self) -> list[Frame]:
        """All frames, named."""
        (told,) = (event for event in Naming().live(self.events()) if isinstance(event, Signal))
        return list(told.stack)


@contextlib.contextmanager
def crashed(argv: Sequence[str | Path], env: Mapping[str, str] | None = None, nth: int = 1) -> Iterator[Crash]:
    """The program at its `nth` signal that would end it; it is killed afterwards."""
    pid = os.fork()
    if pid == 0:
        try:
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, 2)
            _libc.ptrace(_TRACEME, 0, None, None)
            os.execve(argv[0], [str(word) for word in argv], dict(env or {"PATH": "/usr/bin:/bin"}))
        finally:
            os._exit(127)
    threads = {pid}
    try:
        yield _run(pid, threads, nth)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        _reap(threads)


def _run(pid: int, threads: set[int], nth: int) -> Crash:
    started = False
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for tid in list(threads):
            with contextlib.suppress(ChildProcessError):
                waited, status = os.waitpid(tid, os.WNOHANG | _WALL)
                if not waited:
                    continue
                if not os.WIFSTOPPED(status):
                    threads.discard(tid)
                    continue
                number, event = os.WSTOPSIG(status), status >> 16
                if event:
                    message = ctypes.c_ulong()
                    _libc.ptrace(0x4201, tid, None, ctypes.addressof(message))
                    threads.add(message.value)
                elif not started:
                    started = True
                    _libc.ptrace(_SETOPTIONS, pid, None, _O_CLONES_AND_EXITKILL)
                elif number in ENDING:
                    nth -= 1
                    if nth == 0:
                        return _look_at(pid, tid, number)
                passed_on = 0 if event or number in (signal.SIGTRAP, signal.SIGSTOP) else number
                _libc.ptrace(_CONT, tid, None, passed_on)
        assert threads, "the program ended without the signal"
        time.sleep(0.001)
    raise AssertionError("the signal did not come")


def _look_at(pid: int, tid: int, number: int) -> Crash:
    raw = ctypes.create_string_buffer(27 * 8)
    assert _libc.ptrace(_GETREGS, tid, None, ctypes.addressof(raw)) == 0
    registers = dict(zip(_NAMES, struct.unpack("<27Q", raw.raw), strict=True))
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:

        def read(address: int, size: int) -> bytes:
            found = b""
            with contextlib.suppress(OSError, ValueError, OverflowError):
                for start in range(address, address + size, 512):
                    found += os.pread(memory.fileno(), min(512, address + size - start), start)
            return found

        chain, frame = [registers["rip"]], registers["rbp"]
        while len(chain) < 32 and len(words := read(frame, 16)) == 16:
            frame, ip = struct.unpack("<QQ", words)
            chain.append(ip)
        stack = read(registers["rsp"], _STACK)
        if goroutine := goroutine_callers(stack, read):
            chain = [registers["rip"], *goroutine]
    return Crash(pid, tid, number, registers, stack, chain, _libraries(pid))


def _libraries(pid: int) -> list[Library]:
    pattern = re.compile(r"([0-9a-f]+)-([0-9a-f]+) ..x. ([0-9a-f]+) ([0-9a-f]+):([0-9a-f]+) (\d+) +(/.*|\[vdso\])\n")
    found = []
    for start, end, offset, major, minor, inode, path in pattern.findall(Path(f"/proc/{pid}/maps").read_text()):
        base = int(start, 16)
        device = os.makedev(int(major, 16), int(minor, 16))
        found.append(
            Library(
                ts_ns=1,
                pid=pid,
                path=path,
                base=base,
                size=int(end, 16) - base,
                offset=int(offset, 16),
                device=device,
                inode=int(inode),
            )
        )
    return found


def _reap(threads: set[int]) -> None:
    end = time.monotonic() + 30
    while threads and time.monotonic() < end:
        for tid in list(threads):
            try:
                waited, status = os.waitpid(tid, os.WNOHANG | _WALL)
            except ChildProcessError:
                threads.discard(tid)
                continue
            if waited and not os.WIFSTOPPED(status):
                threads.discard(tid)
            elif waited:
                _libc.ptrace(_CONT, tid, None, signal.SIGKILL)
        time.sleep(0.001)
