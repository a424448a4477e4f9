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
from contextlib import suppress
from functools import partial
from socket import AF_UNIX, SOCK_SEQPACKET, socket, socketpair
from typing import Final

from gotrace.sources.background import in_background
from gotrace.sources.ptrace.breakpoints import INT3
from gotrace.sources.ptrace.memory import Memory

NAME: Final = "ptrace-guardian"
_NOTE: Final = struct.Struct("<QB")
"""Address of a breakpoint, and the byte that it stands on."""
_READY: Final = b"r"
_PR_SET_NAME: Final = 15
_START_SECONDS: Final = 10.0
_ENDING: Final = {signal.SIGKILL, signal.SIGSTOP, signal.SIGSEGV, signal.SIGBUS, signal.SIGCHLD}


class Guardian:
    """The tracer's side. Its `note` is for `gotrace.sources.ptrace.breakpoints.Space`."""

    def __init__(self, pid: int) -> None:
        """Start one for a process.

        Raises:
            OSError: it did not start, or may not write to the process's memory.
        """
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
        self._ours.send(_NOTE.pack(address, original))

    def close(self) -> None:
        """Have it look after what is left, and end."""
        self._ours.close()


def _guard(connection: socket, pid: int) -> None:
    """The guardian's whole life."""
    for number in signal.valid_signals() - _ENDING:
        signal.signal(number, signal.SIG_IGN)
    with suppress(OSError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_NAME, ctypes.c_char_p(NAME.encode()), 0, 0, 0)
    originals: dict[int, int] = {}
    # Opened now: whoever may trace may write, but later nobody says that we still may.
    descriptor = os.open(f"/proc/{pid}/mem", os.O_RDWR | os.O_CLOEXEC)
    with Memory.of_descriptor(descriptor) as memory, connection:
        connection.send(_READY)
        with suppress(OSError):
            while note := connection.recv(_NOTE.size):
                address, original = _NOTE.unpack(note)
                originals[address] = original  # of what is mapped there now
        for address, original in originals.items():
            if memory.read(address, 1) == INT3:
                memory.write(address, bytes([original]))
