"""Has the probes follow a process that runs already, and all its descendants; the collector's work.

The fork hook is there first, so a child is either found by looking or told by its parent's fork. Each process is named
to the probes by a pidfd (attached.c): the number of one that ended meanwhile is never taken for its successor's.
"""

from __future__ import annotations

import ctypes
import os
import select
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from gotrace.errors import CaptureError, NotPermittedError

_REGISTRATION: Final = 0x676F7472  # syscall_errors.c
_LOOKS: Final = 100
"""Scans after which a family that never stops growing is followed by its forks alone."""


def follow_family(pid: int, cookie: int, uid: int, gid: int) -> list[int]:
    """Follow `pid` and its descendants, on behalf of that user; their pids, the named one first.

    Raises:
        CaptureError: the process is gone.
        NotPermittedError: it is not that user's to look into.
    """
    seeds = _Seeds(cookie)
    try:
        try:
            _check_allowed(pid, uid, gid)
            seeds.follow(pid)
        except OSError:
            raise CaptureError(f"process {pid} ended before it could be attached to") from None
        for _ in range(_LOOKS):
            new = [child for child in _children_of(seeds.pids) if child not in seeds.pids]
            if not new:
                break
            for child in new:
                with suppress(OSError):
                    seeds.follow(child)
        return seeds.living()
    finally:
        seeds.close()


class _Seeds:
    """The processes that were named to the probes."""

    def __init__(self, cookie: int) -> None:
        self._cookie = cookie
        self._prctl = ctypes.CDLL(None, use_errno=True).prctl
        self.pids: dict[int, int] = {}
        """Their pidfds, by pid."""

    def follow(self, pid: int) -> None:
        """Follow one.

        Raises:
            OSError: it is gone.
        """
        self.pids[pid] = os.pidfd_open(pid)
        if len(self.pids) > 1 and _parent_of(pid) not in self.pids:  # another one has got the number since we looked
            os.close(self.pids.pop(pid))
            return
        self._name(self.pids[pid])

    def _name(self, pidfd: int, *, forget: bool = False) -> None:
        self._prctl(_REGISTRATION, *map(ctypes.c_ulong, (self._cookie, pidfd + 1, int(forget), 0)))

    def living(self) -> list[int]:
        """Those that live. Whoever ended before it was named would never be forgotten by the exit hook."""
        poll = select.poll()
        for pidfd in self.pids.values():
            poll.register(pidfd, select.POLLIN)
        ended = {pidfd for pidfd, _ in poll.poll(0)}
        for pidfd in ended:
            self._name(pidfd, forget=True)
        return [pid for pid, pidfd in self.pids.items() if pidfd not in ended]

    def close(self) -> None:
        """Let go of their descriptors; they are followed all the same."""
        for pidfd in self.pids.values():
            os.close(pidfd)
        self.pids.clear()


def _children_of(pids: dict[int, int]) -> Iterator[int]:
    """Children of all threads of these processes (proc(5), "children")."""
    for pid in list(pids):
        for thread in Path(f"/proc/{pid}/task").glob("*/children"):
            with suppress(OSError, ValueError):
                yield from map(int, thread.read_text().split())


def _parent_of(pid: int) -> int:
    with suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[1])
    return 0


def _check_allowed(pid: int, uid: int, gid: int) -> None:
    """What ptrace(2) calls PTRACE_MODE_READ, with the rights of that user: /proc/PID/exe asks for it.

    Raises:
        OSError: there is no such process.
        NotPermittedError: it is somebody else's.
    """
    with _acting_as(uid, gid):
        try:
            os.readlink(f"/proc/{pid}/exe")  # noqa: PTH115  it need not lead anywhere
        except PermissionError:
            raise NotPermittedError(
                f"process {pid} belongs to another user, or has privileges of its own",
                f"attach as root: sudo gotrace attach {pid}",
            ) from None


@contextmanager
def _acting_as(uid: int, gid: int) -> Iterator[None]:
    """With the effective ids of a user, where we are root and work for somebody else."""
    if os.geteuid() != 0 or uid == 0:
        yield
        return
    groups, own = os.getgroups(), os.getegid()
    os.setgroups([gid])
    os.setegid(gid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(own)
        os.setgroups(groups)
