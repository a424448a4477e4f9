"""What the kernel's own check of permissions says of a file, for somebody: users, groups, ACLs, capabilities, mounts.

It is asked by access(2), in a process that takes on the other's rights. That call opens nothing and changes nothing,
and Landlock and AppArmor have no say in it (landlock(7), "Current limitations"): so it tells what would be allowed
without them.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, NamedTuple

_OK: Final = "ok"
_CAPABILITY_VERSION: Final = 0x20080522
"""_LINUX_CAPABILITY_VERSION_3 of <linux/capability.h>: two words of each set."""
_WORD: Final = 0xFFFFFFFF
_libc = ctypes.CDLL(None, use_errno=True)


class Rights(NamedTuple):
    """What the kernel goes by when a process opens a file."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    capabilities: int
    """Those in effect, as a mask of bits."""


class Question(NamedTuple):
    """A path and what is wanted of it: R_OK, W_OK, X_OK of access(2), or 0 for its being there."""

    path: str
    mode: int


def ours() -> Rights:
    """Those of this process."""
    data = (ctypes.c_uint32 * 6)()
    _libc.capget((ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0), data)
    return Rights(os.geteuid(), os.getegid(), tuple(sorted(os.getgroups())), data[0] | data[3] << 32)


def answers(rights: Rights, questions: Sequence[Question]) -> list[str] | None:
    """What access(2) says to somebody with these rights: `ok`, or the error's name; None where we may not take them on.

    Call it before there are threads: it forks.
    """
    try:
        reading, writing = os.pipe()
        pid = os.fork()
    except OSError:
        return None
    if not pid:
        with suppress(BaseException):
            os.close(reading)
            take_on(rights)
            os.write(writing, " ".join(_asked(one) for one in questions).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        told = stream.read().decode("ascii").split()
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)
    return told if len(told) == len(questions) else None


def take_on(rights: Rights) -> None:
    """Have these rights and no others from now on, for good.

    Raises:
        OSError: they are not ours to have.
    """
    mine = ours()
    if mine[:3] != rights[:3]:
        os.setgroups(rights.groups)
        os.setresgid(rights.gid, rights.gid, rights.gid)
        os.setresuid(rights.uid, rights.uid, rights.uid)
    kept = ours().capabilities
    if rights.capabilities & ~kept and rights.uid == mine.uid:
        raise OSError(errno.EPERM, "it may do more than we may")
    low, high = kept & rights.capabilities & _WORD, (kept & rights.capabilities) >> 32
    header, sets = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0), (ctypes.c_uint32 * 6)(low, low, 0, high, high, 0)
    if _libc.capset(header, sets) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def _asked(question: Question) -> str:
    if _libc.access(os.fsencode(question.path), question.mode) == 0:
        return _OK
    number = ctypes.get_errno()
    return errno.errorcode.get(number, str(number))
