"""The privileged part of a capture: loads and attaches the probes, hands over their buffers, and takes them away.

It reads nothing of what the tracee does and nothing that a user can write (but the cookie, the process to attach to,
which must be one that its user may look into, and the C libraries that programs map: their code decides where uprobes
go). It lives as long as the
other end of its socket: when gotrace ends, however it ends, the kernel closes the socket, and the collector goes.
"""

from __future__ import annotations

import os
import resource
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING, Final

from gotrace.errors import CaptureError, NotPermittedError
from gotrace.sources.background import in_background
from gotrace.sources.ebpf import cache, unit
from gotrace.sources.ebpf.compile import compile_probes
from gotrace.sources.ebpf.compiled import Compiled
from gotrace.sources.ebpf.loader import LoadedProbes
from gotrace.sources.ebpf.messages import Attach, Ready, Refused, Stopped, receive, send
from gotrace.sources.ebpf.uprobes import prepare

if TYPE_CHECKING:
    from gotrace.sources.ebpf.following import FollowedRun

SHARED: Final = ("live", "bulk", "counters", "stacks", "bursts", "clock_reads")
"""Maps whose descriptors go to the unprivileged side; the last three are there where a program's run is followed."""


def serve(connection: socket.socket) -> None:
    """Do one capture's privileged work; returns when it is over."""
    request, _ = receive(connection)
    if not isinstance(request, Attach):
        return
    try:
        compiled = _programs(running=request.running)
        if request.running:  # meanwhile the kernel's verifier is at work; not before: compiling forks
            Thread(target=prepare, daemon=True).start()
        reader, _ = _peer(connection)
        probes = LoadedProbes(compiled, request.cookie, reader)
    except CaptureError as error:
        with suppress(OSError):
            send(connection, Refused(error.message, error.remedy, isinstance(error, NotPermittedError)))
        return
    except OSError as error:
        with suppress(OSError):
            send(connection, Refused(f"the collector failed: {error}", "run `gotrace doctor`", permission=False))
        return
    with probes, _followed_run(probes, compiled, request) as run:
        followed: list[int] = []
        try:
            if request.pid and run is not None:
                followed = run.attach_to(request, *_peer(connection))
        except CaptureError as error:
            with suppress(OSError):
                send(connection, Refused(error.message, error.remedy, isinstance(error, NotPermittedError)))
            return
        entries = {spec.name: spec.entries for spec in compiled.maps}
        names = [name for name in SHARED if name in entries]
        shared = [(str(name), entries[name]) for name in names]
        ready = Ready(shared, compiled.layouts, compiled.constants, probes.missing, followed)
        send(connection, ready, [probes.maps[name] for name in names])
        if run is not None:
            run.serve_until(connection)
        # Whatever comes next, a Stop or the end of the connection, it is time to detach.
        message, _ = receive(connection)
        probes.detach()
        if message is not None:
            # Uprobes are still attached: to take them away may last seconds, and nobody need wait for that.
            notes = run.finish() if run is not None else []
            with suppress(OSError):
                send(connection, Stopped(probes.missed_runs(), notes))


def _peer(connection: socket.socket) -> tuple[int, int]:
    """User and group of whoever we work for (unix(7))."""
    _, uid, gid = struct.unpack("iII", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return uid, gid


@contextmanager
def _followed_run(probes: LoadedProbes, compiled: Compiled, request: Attach) -> Iterator[FollowedRun | None]:
    if not request.running:
        yield None
        return
    from gotrace.sources.ebpf.following import FollowedRun

    with FollowedRun(probes, compiled, request) as run:
        yield run


def _programs(*, running: bool) -> Compiled:
    """From the cache, else compiled now, and kept if the cache can be written."""
    compiled = cache.load(unit.key(running=running))
    if compiled is None:
        compiled = compile_probes(running=running)
        cache.store(compiled)
    return compiled


def detached(connection: socket.socket) -> None:
    """Serve in a process of its own."""
    in_background(partial(_serve_unlimited, connection), connection)


def _serve_unlimited(connection: socket.socket) -> None:
    with suppress(OSError, ValueError):  # needed before Linux 5.11 only; not everybody may
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    serve(connection)


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
