"""Starts a part of gotrace in a process of its own that is nobody's child: no wait(2) of ours ever meets it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from socket import socket
from typing import Final

_OURS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGQUIT, signal.SIGCHLD)


def in_background(work: Callable[[], None], connection: socket) -> None:
    """Run `work` there, with no inherited descriptor but `connection`; it ends when `work` returns.

    It has a session of its own from the start: no ^C reaches it, and no terminal that hangs up (sudo hangs up its own,
    with use_pty, as soon as the command it started has returned).
    """
    child = os.fork()
    if child:
        with suppress(ChildProcessError):  # SIGCHLD is ignored: the kernel has reaped it, once it was gone
            os.waitpid(child, 0)
        return
    try:
        os.setsid()
        if os.fork() == 0:
            _leave_the_caller(connection)
            work()
    finally:
        os._exit(0)


def _leave_the_caller(connection: socket) -> None:
    """Have no inherited descriptor but the socket, and no one's signals."""
    os.umask(0o077)
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    kept = connection.fileno()
    os.closerange(3, kept)
    os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))
    for number in _OURS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
