"""What a refused call wanted of which file: the permissions that the kernel asks for when it makes it.

Only calls that EACCES says nothing else of than that a permission is missing (their man pages, "ERRORS").
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final, NamedTuple

from gotrace.events.model import SyscallError

_AT_FDCWD: Final = -100
_O_PATH: Final = 0o10000000
_O_TMPFILE: Final = 0o20000000
_NAMES: Final = os.W_OK | os.X_OK
"""What a folder asks of whoever makes a name in it, or takes one away."""
_LAST: Final = 2
"""The position of the last argument that is looked at."""
_WORDS: Final = {os.R_OK: "read", os.W_OK: "write", os.X_OK: "execute"}


class Wanted(NamedTuple):
    """A file and what it has to allow."""

    position: int
    """Which of the call's paths it is."""
    mode: int
    """As access(2) has it; 0: that the folders on the way can be searched."""
    of_folder: bool = False
    """The folder in which it lies has to allow it: a name is made there, or taken away."""
    creates: bool = False
    """The same where there is no such file yet (O_CREAT)."""


def wanted(call: SyscallError) -> list[Wanted]:
    """What this call needed, of each of its paths that counts; empty where that is not known."""
    of_call = _CALLS.get(call.syscall)
    needs = of_call(call) if of_call is not None and len(call.args) > _LAST else []
    return [] if any(one.position >= len(call.paths) for one in needs) else needs


def in_words(one: Wanted) -> str:
    """What was wanted: "read", "read and write", "reach", "make or remove names in"."""
    if one.of_folder:
        return "make or remove names in"
    return " and ".join(word for bit, word in _WORDS.items() if one.mode & bit) or "reach"


def begins_at_cwd(call: SyscallError, position: int) -> bool:
    """Whether a relative path of this call begins in the current folder: it has no folder's descriptor, or AT_FDCWD."""
    descriptors = _DESCRIPTORS.get(call.syscall)
    if descriptors is None:
        return True
    return _signed(call.args[descriptors[position]]) == _AT_FDCWD


def _opened(flags: int) -> list[Wanted]:
    if flags & _O_PATH:
        return [Wanted(0, 0)]
    if flags & _O_TMPFILE:
        return [Wanted(0, _NAMES)]
    mode = {os.O_RDONLY: os.R_OK, os.O_WRONLY: os.W_OK}.get(flags & os.O_ACCMODE, os.R_OK | os.W_OK)
    mode |= os.W_OK if flags & os.O_TRUNC else 0
    return [Wanted(0, mode, creates=bool(flags & os.O_CREAT))]


def _fixed(mode: int) -> Callable[[SyscallError], list[Wanted]]:
    return lambda call: [Wanted(0, mode)]


def _named(*positions: int) -> Callable[[SyscallError], list[Wanted]]:
    return lambda call: [Wanted(position, _NAMES, of_folder=True) for position in positions]


_CALLS: Final[dict[str, Callable[[SyscallError], list[Wanted]]]] = {
    "open": lambda call: _opened(call.args[1]),
    "openat": lambda call: _opened(call.args[2]),
    "creat": lambda call: _opened(os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    "truncate": _fixed(os.W_OK),
    "access": lambda call: [Wanted(0, call.args[1] & 7)],
    "faccessat": lambda call: [Wanted(0, call.args[2] & 7)],
    "faccessat2": lambda call: [Wanted(0, call.args[2] & 7)],
    "chdir": _fixed(os.X_OK),
    "inotify_add_watch": _fixed(os.R_OK),
    **dict.fromkeys(("stat", "lstat", "newfstatat", "statx", "statfs", "readlink", "readlinkat"), _fixed(0)),
    **dict.fromkeys(("chmod", "fchmodat", "fchmodat2", "chown", "lchown", "fchownat"), _fixed(0)),
    **dict.fromkeys(("mkdir", "mkdirat", "mknod", "mknodat", "unlink", "unlinkat", "rmdir"), _named(0)),
    **dict.fromkeys(("rename", "renameat", "renameat2"), _named(0, 1)),
    **dict.fromkeys(("link", "linkat", "symlinkat"), _named(1)),
}
_DESCRIPTORS: Final = {
    **dict.fromkeys(("openat", "faccessat", "faccessat2", "newfstatat", "statx", "readlinkat", "fchmodat"), (0,)),
    **dict.fromkeys(("fchmodat2", "fchownat", "mkdirat", "mknodat", "unlinkat"), (0,)),
    **dict.fromkeys(("renameat", "renameat2", "linkat"), (0, 2)),
    "symlinkat": (1, 1),
}
"""Positions of the descriptors of the folders at which their paths begin."""


def _signed(value: int) -> int:
    word = value & 0xFFFFFFFF
    return word - (1 << 32) if word >> 31 else word
