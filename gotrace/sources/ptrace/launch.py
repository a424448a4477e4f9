"""How the launched child and the tracer find each other: a few words over a socket, right before the child's execve.

The child says who it is; the tracer says who it is; the child lets it trace (Yama's mode 1 asks for that where the
tracer is no ancestor); the tracer seizes it and says how that went; the child installs the filter.
"""

from __future__ import annotations

import ctypes
import os
import resource
import select
import signal
import struct
from contextlib import suppress
from functools import partial
from socket import socket
from typing import Final

from gotrace.host.kernel import CAP_SYS_PTRACE, holds
from gotrace.sources.ptrace.channel import Channel
from gotrace.sources.ptrace.filter import Filter

_WORD: Final = struct.Struct("<q")
_PR_SET_NAME, _PR_SET_PTRACER = 15, 0x59616D61
KEEPER: Final = "ptrace-keeper"
"""Not called like us, lest a pkill(1) that means gotrace ends the tracer, and with it the command."""
_FAULTS: Final = {
    signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP, signal.SIGSYS, signal.SIGABRT
}  # fmt: skip
_DEAF_TO: Final = signal.valid_signals() - _FAULTS - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}
"""Whoever means the command sends its signals to that; the tracer stays as long as there are tracees."""


def say(connection: socket, number: int) -> None:
    """Send one number."""
    connection.send(_WORD.pack(number))


def hear(connection: socket) -> int:
    """The next number.

    Raises:
        OSError: the other side is gone.
    """
    word = connection.recv(_WORD.size)
    if len(word) != _WORD.size:
        raise ConnectionResetError("the tracer is gone")
    return int(_WORD.unpack(word)[0])


class Presented:
    """The child's side, made before the fork."""

    def __init__(self, connection: socket, program: Filter) -> None:
        self._connection, self._filter = connection, program
        self._prctl = ctypes.CDLL(None, use_errno=True).prctl

    def __call__(self) -> None:
        """Be traced from now on, and stop at the observed calls.

        Raises:
            OSError: the kernel refuses, or the tracer is gone.
        """
        say(self._connection, os.getpid())
        tracer = hear(self._connection)
        self._prctl(_PR_SET_PTRACER, ctypes.c_ulong(tracer), 0, 0, 0)  # EINVAL without Yama
        say(self._connection, 0)
        problem = hear(self._connection)
        self._prctl(_PR_SET_PTRACER, 0, 0, 0, 0)
        if problem:
            raise OSError(problem, os.strerror(problem))
        self._filter.install()


def serve(connection: socket, channel: Channel, *, terminal: bool, running: bool = False) -> None:
    """The tracer's whole life. `running`: a program's run is followed, not a build."""
    become_keeper()
    say(connection, os.getpid())
    # Imported here: python-ptrace takes 30 ms, and gotrace prepares the recording meanwhile.
    from gotrace.sources.ptrace.abi import FATAL
    from gotrace.sources.ptrace.compiled import stops_of
    from gotrace.sources.ptrace.requests import seize
    from gotrace.sources.ptrace.tracer import Tracer

    stops = stops_of(channel.words, FATAL if running else frozenset(), filtered=running and is_filtered())
    tracer = Tracer(
        channel,
        stops,
        control=stops if running else None,
        terminal=terminal,
        unprivileged=suppresses_privileges(),
        reader_gone=partial(hung_up, connection),
    )
    with suppress(OSError):
        child = hear(connection)
        say(connection, os.getpid())
        hear(connection)
        problem = seize(child)
        say(connection, problem)
        if not problem:
            tracer.follow(child)


def is_filtered() -> bool:
    """Whether we, and so all that gotrace starts, are under a seccomp filter: what it refuses never comes to ours."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as stream:  # noqa: PTH123
        return "\nSeccomp:\t2\n" in stream.read()


def become_keeper() -> None:
    """Be deaf to what is meant for others, be called otherwise than gotrace, and have room for many tracees."""
    for number in _DEAF_TO:
        signal.signal(number, signal.SIG_IGN)
    _widen(resource.RLIMIT_CPU, resource.RLIMIT_NOFILE)
    with suppress(OSError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_NAME, ctypes.c_char_p(KEEPER.encode()), 0, 0, 0)


def hung_up(connection: socket) -> bool:
    """Whether gotrace has closed its end, or is gone."""
    poll = select.poll()
    poll.register(connection, select.POLLHUP)
    return bool(poll.poll(0))


def _widen(*limits: int) -> None:
    """What is meant for each process of the command is not meant for us, who serve them all."""
    for limit in limits:
        with suppress(OSError, ValueError):
            _, most = resource.getrlimit(limit)
            resource.setrlimit(limit, (most, most))


def suppresses_privileges() -> bool:
    """Whether programs lose their set-user-ID privilege because it is us who trace them (execve(2), ptrace(2)).

    Not where we may trace everybody; and where no_new_privs was set before us they would have none anyway.
    """
    with open("/proc/self/status", encoding="ascii", errors="replace") as stream:  # noqa: PTH123
        status = stream.read()
    return not holds(status, CAP_SYS_PTRACE) and "\nNoNewPrivs:\t0\n" in status
