"""Namespaces for one process and all it starts; the kernel takes them away with the last of them."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import signal
import socket
import struct
from pathlib import Path
from typing import Final

_NEW_MOUNTS: Final = 0x00020000
_NEW_USERS: Final = 0x10000000
_NEW_NETWORK: Final = 0x40000000
"""CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET of unshare(2)."""
_PR_SET_PDEATHSIG: Final = 1
_PR_CAPBSET_DROP: Final = 24
_CAP_SYS_ADMIN: Final = 21
_LAST_CAPABILITY: Final = Path("/proc/sys/kernel/cap_last_cap")
_STATUS: Final = Path("/proc/self/status")
_SIOCGIFFLAGS: Final = 0x8913
_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP: Final = 1

_libc = ctypes.CDLL(None, use_errno=True)


def unshare(*, mounts: bool, network: bool) -> None:
    """Go into new namespaces: directly where that is permitted, else in a user namespace of one's own.

    In the user namespace this process has every right over the new namespaces, which the next execve(2) takes from
    whoever is not root. The own uid and gid are mapped to themselves and nobody else's, so that files of others appear
    as nobody's, none of them can be given away, and set-user-ID programs (sudo, su) run without their privilege.

    Raises:
        OSError: the kernel refuses it (user_namespaces(7) says when).
    """
    flags = (_NEW_MOUNTS if mounts else 0) | (_NEW_NETWORK if network else 0)
    if not flags:
        return
    try:
        _unshare(flags)
    except PermissionError:
        from gotrace.host import kernel  # 6 ms, which whoever goes in without a user namespace does not wait for

        held, uid, gid = kernel.capability_mask(_STATUS.read_text(), "CapPrm"), os.geteuid(), os.getegid()
        _unshare(flags | _NEW_USERS)
        Path("/proc/self/setgroups").write_text("deny")  # the kernel asks for it in front of a gid_map of one's own
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        _give_up_later(held)


def permitted() -> bool:
    """New namespaces are to be had without a user namespace: CAP_SYS_ADMIN is effective (namespaces(7))."""
    from gotrace.host import kernel

    return kernel.holds(_STATUS.read_text(), _CAP_SYS_ADMIN)


def join_mounts(path: str) -> None:
    """Be in another mount namespace from now on, at its root: setns(2), which takes root's rights.

    Raises:
        OSError: the kernel refuses it, or nobody is in that namespace any more.
    """
    namespace = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.setns(namespace, _NEW_MOUNTS):
            number = ctypes.get_errno()
            raise OSError(number, f"cannot enter the mount namespace of this act: {os.strerror(number)}")
    finally:
        os.close(namespace)


def die_with_parent() -> None:
    """Have the kernel kill this process when the one that started it ends (prctl(2)); an execve(2) changes nothing."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def bring_up_loopback() -> None:
    """Set the interface `lo` of this network namespace up; it has its addresses by itself then.

    Two ioctl(2) of netdevice(7), for which a netlink library would cost half a second of imports.

    Raises:
        OSError: the kernel refuses it.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as anything:
        answer = fcntl.ioctl(anything, _SIOCGIFFLAGS, struct.pack("16sH14x", b"lo", 0))
        (flags,) = struct.unpack_from("16xH", answer)
        fcntl.ioctl(anything, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | _IFF_UP))


def _unshare(flags: int) -> None:
    if _libc.unshare(flags):
        number = ctypes.get_errno()
        names = {_NEW_MOUNTS: "mount", _NEW_NETWORK: "network", _NEW_USERS: "user"}
        which = " and ".join(name for flag, name in names.items() if flags & flag)
        what = "no more of them are allowed (ENOSPC)" if number == errno.ENOSPC else os.strerror(number)
        raise OSError(number, f"cannot make a {which} namespace: {what}")


def _give_up_later(held: int) -> None:
    """Have the next execve(2) leave only capabilities that this process had before (also where it is root)."""
    for capability in range(int(_LAST_CAPABILITY.read_text()) + 1):
        if not held >> capability & 1:
            _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
