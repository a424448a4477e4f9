"""Puts instructions back where the tracer was killed while its breakpoints stood in a process that must live on.

The tracer cannot do it then, and the next thread that comes to an int3 would end the process by SIGTRAP. The guardian
is a process of its own. It is told of each breakpoint before that is planted, and acts when the tracer's end of the
socket closes, whatever the reason: a tracer that has removed its breakpoints leaves it nothing to do.

It is for processes that are attached to. What gotrace launched itself ends with the tracer (PTRACE_O_EXITKILL). A
thread that waits in the very stop of a breakpoint when the tracer dies cannot be saved: the kernel lets it go on with
the SIGTRAP it stopped for.
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from socket import AF_UNIX, SOCK_SEQPACKET, socket, socketpair
from typing import Final

from gotrace.sources.background import in_background
from gotrace.sources.ptrace.breakpoints import INT3, empty_slot
from gotrace.sources.ptrace.mappings import Mappings, mappings_of
from gotrace.sources.ptrace.memory import Memory

NAME: Final = "ptrace-guardian"
_NOTE: Final = struct.Struct("<IQB")
"""Process and address of a breakpoint, and the byte that it stands on."""
_READY: Final = b"r"
_PR_SET_NAME: Final = 15
_START_SECONDS: Final = 10.0
_ENDING: Final = {signal.SIGKILL, signal.SIGSTOP, signal.SIGSEGV, signal.SIGBUS, signal.SIGCHLD}


class Guardian:
    """The tracer's side. Its `note` is for `gotrace.sources.ptrace.breakpoints.Space`."""

    def __init__(self, pid: int) -> None:
        """Start one for a process, and for those that descend from it.

        Raises:
            OSError: it did not start, or may not write to the process's memory.
        """
        self._pid = pid
        self._ours, theirs = socketpair(AF_UNIX, SOCK_SEQPACKET)
        in_background(partial(_guard, theirs, pid), theirs)
        theirs.close()
        self._ours.settimeout(_START_SECONDS)
        if self._ours.recv(1) != _READY:
            self._ours.close()
            raise PermissionError(f"the memory of process {pid} cannot be written to")
        self._ours.settimeout(None)

    def note(self, address: int, original: int) -> None:
        """Say that a breakpoint is about to be planted on the byte `original`.

        Raises:
            OSError: the guardian is gone; then nothing must be planted.
        """
        self.note_in(self._pid, address, original)

    def note_in(self, pid: int, address: int, original: int) -> None:
        """The same of another process of the family.

        Raises:
            OSError: the guardian is gone.
        """
        self._ours.send(_NOTE.pack(pid, address, original))

    def close(self) -> None:
        """Have it look after what is left, and end."""
        self._ours.close()


def _guard(connection: socket, pid: int) -> None:
    """The guardian's whole life."""
    for number in signal.valid_signals() - _ENDING:
        signal.signal(number, signal.SIG_IGN)
    with suppress(OSError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_NAME, ctypes.c_char_p(NAME.encode()), 0, 0, 0)
    # Opened now: whoever may trace may write, but later nobody says that we still may.
    family = {pid: _Guarded(pid)}
    if not family[pid].writable:
        return
    with connection:
        connection.send(_READY)
        with suppress(OSError):
            while note := connection.recv(_NOTE.size):
                whose, address, original = _NOTE.unpack(note)
                if whose not in family:
                    family[whose] = _Guarded(whose)
                family[whose].note(address, original)
    _restore_in_children(family)
    for one in family.values():
        one.restore()


class _Guarded:
    """One process, and the bytes below the breakpoints in it."""

    def __init__(self, pid: int, like: _Guarded | None = None) -> None:
        """`like`: one that it is a copy of."""
        try:
            descriptor = os.open(f"/proc/{pid}/mem", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            descriptor = -1
        self._pid = pid
        self.writable = descriptor >= 0
        self._memory = Memory.of_descriptor(descriptor)
        self._originals: dict[int, int] = like._originals if like is not None else {}
        self._mappings: Mappings = like._mappings if like is not None else Mappings()

    def note(self, address: int, original: int) -> None:
        """A breakpoint is about to be planted."""
        if self._mappings.at(address) is None:
            self._mappings = mappings_of(self._pid) or Mappings()
        self._originals[address] = original

    def restore(self) -> None:
        """Take out what is there yet, unless another library is there now: int3 may be a byte of its own."""
        now = mappings_of(self._pid)
        if now is None or not self._originals:
            self._memory.close()
            return
        with self._memory as memory:
            for address, original in self._originals.items():
                same = now.contents(address) == self._mappings.contents(address)
                if same and memory.read(address, 1) == INT3:
                    memory.write(address, bytes([original]))
            empty_slot(now, memory)


def _restore_in_children(family: dict[int, _Guarded]) -> None:
    """A process may have forked right before the tracer died: then its child has copies that nobody told us of."""
    for pid in list(family):
        for child in _children_of(pid):
            if child not in family and _same_image(child, pid):
                family[child] = _Guarded(child, family[pid])


def _children_of(pid: int) -> Iterator[int]:
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError, ValueError):
            yield from map(int, thread.read_text().split())


def _same_image(child: int, parent: int) -> bool:
    """Whether it has executed nothing since its birth: then the vDSO is at the same address, which is random."""
    with suppress(OSError, StopIteration):
        mine, theirs = (
            next(line for line in Path(f"/proc/{pid}/maps").read_text().splitlines() if line.endswith("[vdso]"))
            for pid in (child, parent)
        )
        return mine == theirs
    return False
