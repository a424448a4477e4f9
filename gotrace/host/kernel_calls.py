"""What this kernel makes of a system call that somebody was refused: it is tried here, with arguments that do nothing.

Each try is refused by the first thing that the kernel checks (unknown flags, a descriptor that is none), so it changes
nothing. It is made in a child, which a seccomp filter may kill for it. A call that the kernel was built without has a
weak entry in the list of the kernel's symbols, in place of a function of its own (kernel/sys_ni.c, COND_SYSCALL).
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import struct
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

_SYMBOLS: Final = Path("/proc/kallsyms")
_ENTRY: Final = "__x64_sys_"
_ANSWER: Final = struct.Struct("<i")
_KILLED: Final = -1
_NO_FD: Final = -1
_ALL: Final = 0xFFFFFFFF
"""All flags: there is always one that no kernel knows."""

HARMLESS: Final[dict[str, tuple[int, ...]]] = {
    "accept4": (_NO_FD, 0, 0, _ALL),
    "clone": (0x800,),  # CLONE_SIGHAND without CLONE_VM
    "clone3": (0, 0),
    "close_range": (1, 0, 0),
    "copy_file_range": (_NO_FD, 0, _NO_FD, 0, 0, _ALL),
    "dup3": (_NO_FD, _NO_FD, _ALL),
    "epoll_create": (0,),
    "epoll_create1": (_ALL,),
    "epoll_ctl": (_NO_FD, 0, _NO_FD, 0),
    "epoll_pwait": (_NO_FD, 0, 0, 0, 0, 8),
    "epoll_pwait2": (_NO_FD, 0, 0, 0, 0, 8),
    "epoll_wait": (_NO_FD, 0, 0, 0),
    "eventfd2": (0, _ALL),
    "faccessat2": (_NO_FD, 0, 0xFFFF, 0),
    "fchmodat2": (_NO_FD, 0, 0, _ALL),
    "futex_waitv": (0, 0, _ALL, 0, 0),
    "getrandom": (0, 0, _ALL),
    "inotify_init1": (_ALL,),
    "io_uring_enter": (_NO_FD, 0, 0, _ALL, 0, 0),
    "io_uring_register": (_NO_FD, 0x7FFF, 0, 0),
    "io_uring_setup": (0, 0),
    "landlock_create_ruleset": (0, 0, _ALL),
    "landlock_restrict_self": (_NO_FD, _ALL),
    "membarrier": (-1, _ALL, 0),
    "memfd_create": (0, _ALL),
    "mlock2": (0, 0, _ALL),
    "openat2": (_NO_FD, 0, 0, 0),
    "perf_event_open": (0, 0, -1, -1, _ALL),
    "pidfd_getfd": (_NO_FD, _NO_FD, _ALL),
    "pidfd_open": (-1, _ALL),
    "pidfd_send_signal": (_NO_FD, 0, 0, _ALL),
    "pipe2": (0, _ALL),
    "pkey_alloc": (_ALL, 0),
    "prlimit64": (0, _ALL, 0, 0),
    "renameat2": (_NO_FD, 0, _NO_FD, 0, _ALL),
    "rseq": (0, 0, _ALL, 0),
    "signalfd4": (_NO_FD, 0, 8, _ALL),
    "socket": (_ALL, 0, 0),
    "statx": (_NO_FD, 0, _ALL, _ALL, 0),
    "timerfd_create": (_ALL, _ALL),
    "timerfd_settime": (_NO_FD, _ALL, 0, 0),
    "userfaultfd": (_ALL,),
}  # fmt: skip
"""Name of a call -> arguments that it is refused for at once. Calls that are not here are not tried."""


class KernelCall(NamedTuple):
    """What came of a try."""

    answer: str
    """The error's name, `ok`, `killed` (a filter ended the process for it), or empty where it was not tried."""
    listed: bool | None
    """The kernel has a function for it; None where the list of its symbols cannot be read."""


def tried(calls: dict[str, int]) -> dict[str, KernelCall]:
    """What this kernel makes of each call (name -> its number on x86-64), tried by a child of this process.

    Call it before there are threads: it forks.
    """
    listed = _listed(calls)
    return {
        name: KernelCall(
            _answer(number, HARMLESS[name]) if name in HARMLESS else "", None if listed is None else name in listed
        )
        for name, number in calls.items()
    }


def _answer(number: int, arguments: tuple[int, ...]) -> str:
    try:
        readable, writable = os.pipe()
    except OSError:  # no more descriptors, or a filter on us that refuses this too
        return ""
    try:
        pid = os.fork()
    except OSError:
        os.close(readable)
        os.close(writable)
        return ""
    if not pid:
        with suppress(BaseException):
            os.write(writable, _ANSWER.pack(_made(number, arguments)))
        os._exit(0)
    os.close(writable)
    with os.fdopen(readable, "rb") as stream:
        told = stream.read(_ANSWER.size)
    _, status = os.waitpid(pid, 0)
    if len(told) < _ANSWER.size:
        return "killed" if os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGSYS, signal.SIGKILL) else ""
    (error,) = _ANSWER.unpack(told)
    return errno.errorcode.get(error, str(error)) if error else "ok"


def _made(number: int, arguments: tuple[int, ...]) -> int:
    """0, or the errno."""
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    syscall.restype = ctypes.c_long
    done = syscall(*(ctypes.c_long(word) for word in (number, *arguments)))
    return ctypes.get_errno() if done < 0 else 0


def _listed(names: Iterable[str]) -> frozenset[str] | None:
    """Those of these calls that the kernel has a function for; None where it does not say."""
    wanted = {f"{_ENTRY}{name}" for name in names}
    found, any_at_all = set(), False
    try:
        with _SYMBOLS.open(encoding="ascii", errors="replace") as stream:
            for line in stream:
                if _ENTRY not in line:
                    continue
                _, kind, name = line.split()[:3]
                any_at_all = True
                if name in wanted and kind in "tT":
                    found.add(name.removeprefix(_ENTRY))
    except OSError:
        return None
    return frozenset(found) if any_at_all else None
