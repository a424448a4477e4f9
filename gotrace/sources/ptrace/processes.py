"""Which tracees there are: threads and their processes, and what /proc says of a process."""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import stat
from contextlib import suppress
from functools import cache
from typing import Final, NamedTuple

from gotrace.sources.mounts import mount_namespace
from gotrace.sources.ptrace.memory import Memory
from gotrace.sources.ptrace.records import HERE, Place, Who

_SYS_TGKILL: Final = 234
_STATUS_LIMIT: Final = 8192
_DELETED: Final = b" (deleted)"
_CAPABILITIES: Final = "security.capability"

_syscall = ctypes.CDLL(None, use_errno=True).syscall
_MOST_OPEN: Final = 256
_open: dict[Process, None] = {}
"""Processes whose memory is open, in that order; their number is limited, as that of descriptors is (RLIMIT_NOFILE)."""


class Process:
    """One process of the tree, from its birth to its end."""

    __slots__ = ("_memory", "ns_pid", "output_bytes", "pid")

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.ns_pid = innermost_pid(pid)
        self.output_bytes = 0
        """How much of its stderr was kept."""
        self._memory: Memory | None = None

    def who(self, tid: int) -> Who:
        """It, seen through its thread `tid`."""
        return Who(self.pid, tid, self.ns_pid)

    @property
    def memory(self) -> Memory:
        """Its memory, which may be read while one of its threads is stopped."""
        if self._memory is None:
            if len(_open) >= _most_open():
                next(iter(_open)).forget_memory()
            self._memory = Memory(self.pid)
            _open[self] = None
        return self._memory

    def forget_memory(self) -> None:
        """It has another one now, or is gone."""
        if self._memory is not None:
            self._memory.close()
            self._memory = None
            _open.pop(self, None)


@cache
def _most_open() -> int:
    """Half of what we may have: the rest is for what is opened and closed at once."""
    return max(1, min(_MOST_OPEN, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2))


class Processes:
    """All threads that are traced, by their ids."""

    def __init__(self) -> None:
        self._of_thread: dict[int, Process] = {}

    def __contains__(self, tid: int) -> bool:
        return tid in self._of_thread

    def of(self, tid: int) -> Process:
        """The process of a thread; for one that is not there any more, as it was known."""
        process = self._of_thread.get(tid)
        return process if process is not None else Process(tid)

    def add(self, pid: int) -> Process:
        """A new process."""
        process = self._of_thread[pid] = Process(pid)
        return process

    def add_thread(self, tid: int, process: Process) -> None:
        """A new thread of a process."""
        self._of_thread[tid] = process

    def pids(self) -> set[int]:
        """Of all processes."""
        return {process.pid for process in self._of_thread.values()}

    def remove(self, tid: int) -> Process | None:
        """A thread is gone; the process if that was its end."""
        process = self._of_thread.pop(tid, None)
        if process is None or process.pid != tid:
            return None
        process.forget_memory()
        return process


def is_process(tid: int) -> bool:
    """Whether a new task is a process, not a thread: clone(2) can make both. It must not have been waited for.

    EPERM is no "no": a process of another user may be there, and not be ours to signal.
    """
    return bool(_syscall(_SYS_TGKILL, tid, tid, 0) == 0) or ctypes.get_errno() != errno.ESRCH


def innermost_pid(pid: int) -> int:
    """Its pid in its innermost PID namespace (NSpid of proc(5))."""
    return (_ids(pid, b"NSpid:") or [pid])[-1]


def parent_of(pid: int) -> int:
    """Its parent's pid, 0 where it is gone."""
    return (_ids(pid, b"PPid:") or [0])[0]


def has_ended(pid: int) -> bool:
    """Whether it is gone, or nothing of it is left but its exit status."""
    return _status(pid).partition(b"\nState:\t")[2][:1] in (b"", b"Z", b"X")


def leader_of(tid: int) -> int:
    """The process that a thread belongs to, 0 where it is gone."""
    return (_ids(tid, b"Tgid:") or [0])[0]


def folders(pid: int) -> tuple[bytes | None, Place]:
    """Its working directory as it would name that itself, also below a chroot(2), and where its paths begin.

    No working directory where it is not ours to read.
    """
    try:
        folder, root = _target(f"/proc/{pid}/cwd"), _target(f"/proc/{pid}/root")
    except OSError:
        return None, HERE
    mounts = mount_namespace(pid)
    place = Place(root.removesuffix(b"/"), 0 if mounts == _own_mounts() else mounts)
    if root != b"/" and (folder == root or folder.startswith(root + b"/")):
        return folder[len(root) :] or b"/", place
    return folder, place


_own_mounts = cache(mount_namespace)


def _target(link: str) -> bytes:
    """What a link of proc(5) leads to; a folder that was deleted has its name yet."""
    folder = os.readlink(os.fsencode(link))  # noqa: PTH115  bytes, which Path has not
    if folder.endswith(_DELETED) and os.stat(link).st_nlink == 0:  # noqa: PTH116  called for each exec
        return folder.removesuffix(_DELETED)
    return folder


def lost_privilege(pid: int) -> bool:
    """Whether it runs a set-user-ID, set-group-ID or file-capability program without getting that privilege.

    So it is where the tracer is an ordinary user (execve(2)), and where no_new_privs is set; also on a `nosuid` mount,
    which is not our doing and no such case.
    """
    program = f"/proc/{pid}/exe"
    try:
        found = os.stat(program)  # noqa: PTH116  called for each exec
        as_user = found.st_mode & stat.S_ISUID
        as_group = found.st_mode & (stat.S_ISGID | stat.S_IXGRP) == stat.S_ISGID | stat.S_IXGRP
        if not (as_user or as_group or _has_capabilities(program)) or os.statvfs(program).f_flag & os.ST_NOSUID:
            return False
    except OSError:
        return False
    uids, gids = _ids(pid, b"Uid:"), _ids(pid, b"Gid:")
    if as_user:
        return uids[1:2] != [found.st_uid]
    if as_group:
        return gids[1:2] != [found.st_gid]
    return b"\nCapPrm:\t0000000000000000\n" in _status(pid)


def _has_capabilities(program: str) -> bool:
    with suppress(OSError):
        return bool(os.getxattr(program, _CAPABILITIES))
    return False


class Disposition(NamedTuple):
    """What becomes of a signal that is delivered to a process; neither: the kernel's default."""

    handled: bool
    ignored: bool


def disposition(pid: int, number: int) -> Disposition:
    """Of a signal in a process (SigCgt and SigIgn of proc(5))."""
    status, bit = _status(pid), 1 << (number - 1)
    masks = (status.partition(name)[2].partition(b"\n")[0].strip() for name in (b"\nSigCgt:", b"\nSigIgn:"))
    return Disposition(*(bool(int(mask or b"0", 16) & bit) for mask in masks))


def _ids(pid: int, name: bytes) -> list[int]:
    """The numbers in a line of /proc/PID/status, as "Uid: real effective saved file-system"; none where it is gone."""
    return [int(one) for one in _status(pid).partition(b"\n" + name)[2].partition(b"\n")[0].split()]


def writes_to_terminal(tid: int, descriptor: int) -> bool:
    """Whether a descriptor of a tracee is a terminal."""
    try:
        found = os.stat(f"/proc/{tid}/fd/{descriptor}")  # noqa: PTH116  called for each write
    except OSError:
        return False
    major = os.major(found.st_rdev)
    return stat.S_ISCHR(found.st_mode) and (major in (4, 5) or 136 <= major <= 143)


def _status(pid: int) -> bytes:
    """/proc/PID/status, empty where the process is gone."""
    try:
        descriptor = os.open(f"/proc/{pid}/status", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(descriptor, _STATUS_LIMIT)
    except OSError:
        return b""
    finally:
        os.close(descriptor)
