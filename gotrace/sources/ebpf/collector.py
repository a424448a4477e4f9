"""The privileged part of a capture: loads and attaches the probes, hands over their buffers, and takes them away.

It reads nothing of what the tracee does and nothing that a user can write (but the cookie). It lives as long as the
other end of its socket: when gotrace ends, however it ends, the kernel closes the socket, and the collector goes.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import struct
import sys
from contextlib import suppress
from typing import Final

from gotrace.errors import CaptureError, NotPermittedError
from gotrace.sources.ebpf import cache, unit
from gotrace.sources.ebpf.compile import compile_probes
from gotrace.sources.ebpf.compiled import Compiled
from gotrace.sources.ebpf.loader import LoadedProbes
from gotrace.sources.ebpf.messages import Attach, Ready, Refused, Stopped, receive, send

SHARED: Final = ("live", "bulk", "counters")
"""Maps whose descriptors go to the unprivileged side."""


def serve(connection: socket.socket) -> None:
    """Do one capture's privileged work; returns when it is over."""
    request, _ = receive(connection)
    if not isinstance(request, Attach):
        return
    try:
        compiled = _programs()
        probes = LoadedProbes(compiled, request.cookie)
    except CaptureError as error:
        with suppress(OSError):
            send(connection, Refused(error.message, error.remedy, isinstance(error, NotPermittedError)))
        return
    except OSError as error:
        with suppress(OSError):
            send(connection, Refused(f"the collector failed: {error}", "run `gotrace doctor`", permission=False))
        return
    with probes:
        entries = {spec.name: spec.entries for spec in compiled.maps}
        ready = Ready([(name, entries[name]) for name in SHARED], compiled.layouts, compiled.constants)
        send(connection, ready, [probes.maps[name] for name in SHARED])
        # Whatever comes next, a Stop or the end of the connection, it is time to detach.
        message, _ = receive(connection)
        probes.detach()
        if message is not None:
            with suppress(OSError):
                send(connection, Stopped(probes.missed_runs()))


def _programs() -> Compiled:
    """From the cache, else compiled now, and kept if the cache can be written."""
    compiled = cache.load(unit.key())
    if compiled is None:
        compiled = compile_probes()
        cache.store(compiled)
    return compiled


def _leave_the_caller(connection: socket.socket) -> None:
    """Have no inherited descriptor but the socket, and no one's signals."""
    os.umask(0o077)
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    kept = connection.fileno()
    os.closerange(3, kept)
    os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGQUIT, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    with suppress(OSError, ValueError):  # needed before Linux 5.11 only; not everybody may
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def detached(connection: socket.socket) -> None:
    """Serve in a process of its own that is not our child, so that no wait(2) of ours ever meets it."""
    child = os.fork()
    if child:
        with suppress(ChildProcessError):  # SIGCHLD is ignored: the kernel has reaped it, once it was gone
            os.waitpid(child, 0)
        return
    try:
        # In a session of its own from the start: sudo hangs up its terminal (use_pty) as soon as we have returned.
        os.setsid()
        if os.fork() == 0:
            _leave_the_caller(connection)
            serve(connection)
    finally:
        os._exit(0)


def main() -> None:
    """Started through sudo(8) with the path of the socket to connect to.

    The peer must be the user who called sudo: nobody else gets buffers from us.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        connection.connect(sys.argv[1])
    except OSError:
        sys.exit("gotrace collector: gotrace is gone")
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("iII"))
    _, uid, _ = struct.unpack("iII", credentials)
    if os.geteuid() == 0 and uid not in {0, int(os.environ.get("SUDO_UID", "0"))}:
        sys.exit("gotrace collector: the socket belongs to another user")
    detached(connection)
