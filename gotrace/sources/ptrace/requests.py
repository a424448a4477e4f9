"""Single requests of ptrace(2) to a tracee that waits, on python-ptrace's binding."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from typing import Final, Protocol

from ptrace.binding import func as binding
from ptrace.error import PtraceError

from gotrace.sources.ptrace import abi

WAIT_ALL: Final = binding.THREAD_TRACE_FLAGS
"""__WALL of wait(2): threads and clones as well."""


class Control(Protocol):
    """What can be done with a tracee that waits, beyond letting it go on."""

    def resume(self, tid: int) -> None:
        """Let it run; nothing happens where it is gone."""
        ...

    def deliver(self, tid: int, number: int) -> None:
        """Let it run, and have it get the signal that it stopped for."""
        ...

    def registers(self, tid: int) -> tuple[int, ...]:
        """All its registers, in the order of struct user_regs_struct; empty where it is gone."""
        ...

    def set_registers(self, tid: int, values: Sequence[int]) -> None:
        """Set all of them."""
        ...

    def signal_info(self, tid: int) -> bytes:
        """The siginfo_t of the signal it stopped for; empty where it is gone, or in another stop."""
        ...

    def step(self, tid: int) -> int | None:
        """Let it execute one instruction, and wait for that: its wait status, None where it has none any more."""
        ...

    def block_signals(self, tid: int) -> int | None:
        """Keep all signals from it that are not of its own making; the mask it had, None where that is impossible."""
        ...

    def set_signal_mask(self, tid: int, mask: int) -> None:
        """Set its mask of blocked signals, a bit for each, from signal 1 on."""
        ...


def request(number: int, tid: int, address: int = 0, data: int = 0) -> bool:
    """One ptrace(2) request; False where the tracee has been killed meanwhile, which can happen at any time."""
    try:
        binding.ptrace(number, tid, address, data)
    except PtraceError:
        return False
    return True


class Requests:
    """Requests to a tracee that waits."""

    def __init__(self) -> None:
        self._on = binding.PTRACE_CONT
        """How a tracee is let go on."""
        self._registers = ctypes.create_string_buffer(abi.REGISTERS.size)
        self._signal = ctypes.create_string_buffer(abi.SIGNAL_BYTES)
        self._mask = ctypes.c_uint64()

    def resume(self, tid: int) -> None:
        """Let it run."""
        request(self._on, tid)

    def until_return(self, tid: int) -> None:
        """Let it run until the call it is in returns."""
        request(binding.PTRACE_SYSCALL, tid)

    def listen(self, tid: int) -> None:
        """Leave it in its group-stop."""
        request(abi.PTRACE_LISTEN, tid)

    def registers(self, tid: int) -> tuple[int, ...]:
        """All its registers."""
        if not request(binding.PTRACE_GETREGS, tid, 0, ctypes.addressof(self._registers)):
            return ()
        return abi.REGISTERS.unpack_from(self._registers)

    def set_registers(self, tid: int, values: Sequence[int]) -> None:
        """Set all of them."""
        abi.REGISTERS.pack_into(self._registers, 0, *values)
        request(binding.PTRACE_SETREGS, tid, 0, ctypes.addressof(self._registers))

    def deliver(self, tid: int, number: int) -> None:
        """Let it run with that signal."""
        request(self._on, tid, 0, number)

    def block_signals(self, tid: int) -> int | None:
        """Keep all signals from it but those of faults and traps."""
        if not request(abi.PTRACE_GETSIGMASK, tid, abi.MASK_BYTES, ctypes.addressof(self._mask)):
            return None
        before = self._mask.value
        self.set_signal_mask(tid, ~sum(1 << (number - 1) for number in abi.FATAL) & abi.ALL_SIGNALS)
        return before

    def set_signal_mask(self, tid: int, mask: int) -> None:
        """Set its mask of blocked signals."""
        self._mask.value = mask
        request(abi.PTRACE_SETSIGMASK, tid, abi.MASK_BYTES, ctypes.addressof(self._mask))

    def signal_info(self, tid: int) -> bytes:
        """The siginfo_t of its signal."""
        done = request(binding.PTRACE_GETSIGINFO, tid, 0, ctypes.addressof(self._signal))
        return self._signal.raw if done else b""

    def step(self, tid: int) -> int | None:
        """Let it execute one instruction."""
        if not request(binding.PTRACE_SINGLESTEP, tid):
            return None  # it was killed: the loop will hear of it
        try:
            return os.waitpid(tid, WAIT_ALL)[1]
        except ChildProcessError:
            return None


_OPTIONS: Final = (
    binding.PTRACE_O_TRACESYSGOOD
    | binding.PTRACE_O_TRACEFORK
    | binding.PTRACE_O_TRACEVFORK
    | binding.PTRACE_O_TRACECLONE
    | binding.PTRACE_O_TRACEEXEC
)


def seize(pid: int) -> int:
    """Become the tracer of a process, without stopping it, and of all that it will start: 0, or the errno.

    PTRACE_O_EXITKILL: without us each observed call would return ENOSYS, which no program expects; so if we are killed
    the kernel ends the tree.
    """
    return _seize(pid, _OPTIONS | abi.PTRACE_O_TRACESECCOMP | abi.PTRACE_O_EXITKILL)


def seize_without_ending_it(pid: int) -> int:
    """The same for a process that goes on without us, and has no filter of ours."""
    return _seize(pid, _OPTIONS)


def _seize(pid: int, options: int) -> int:
    try:
        binding.ptrace(abi.PTRACE_SEIZE, pid, 0, options)
    except PtraceError as error:
        return int(error.errno)
    return 0
