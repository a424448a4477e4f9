"""Which capability a call asks for, and which a process had (capabilities(7), <linux/capability.h>)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from gotrace.events.errno import errno_name
from gotrace.events.model import Fact, SyscallError

_NUMBERS: Final = {
    "CAP_CHOWN": 0, "CAP_DAC_OVERRIDE": 1, "CAP_SETGID": 6, "CAP_SETUID": 7, "CAP_SETPCAP": 8,
    "CAP_NET_BIND_SERVICE": 10, "CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13, "CAP_IPC_LOCK": 14, "CAP_SYS_MODULE": 16,
    "CAP_SYS_RAWIO": 17, "CAP_SYS_CHROOT": 18, "CAP_SYS_PTRACE": 19, "CAP_SYS_PACCT": 20, "CAP_SYS_ADMIN": 21,
    "CAP_SYS_BOOT": 22, "CAP_SYS_NICE": 23, "CAP_SYS_RESOURCE": 24, "CAP_SYS_TIME": 25, "CAP_MKNOD": 27,
    "CAP_SYSLOG": 34, "CAP_PERFMON": 38, "CAP_BPF": 39,
}  # fmt: skip

_BY_CALL: Final[dict[str, tuple[str, ...]]] = {
    "acct": ("CAP_SYS_PACCT",),
    "bpf": ("CAP_BPF", "CAP_SYS_ADMIN"),
    "chown": ("CAP_CHOWN",),
    "fchown": ("CAP_CHOWN",),
    "fchownat": ("CAP_CHOWN",),
    "lchown": ("CAP_CHOWN",),
    "chroot": ("CAP_SYS_CHROOT",),
    "clock_settime": ("CAP_SYS_TIME",),
    "settimeofday": ("CAP_SYS_TIME",),
    "delete_module": ("CAP_SYS_MODULE",),
    "finit_module": ("CAP_SYS_MODULE",),
    "init_module": ("CAP_SYS_MODULE",),
    "ioperm": ("CAP_SYS_RAWIO",),
    "iopl": ("CAP_SYS_RAWIO",),
    "mknod": ("CAP_MKNOD",),
    "mknodat": ("CAP_MKNOD",),
    "mlock": ("CAP_IPC_LOCK",),
    "mlock2": ("CAP_IPC_LOCK",),
    "mlockall": ("CAP_IPC_LOCK",),
    "mount": ("CAP_SYS_ADMIN",),
    "move_mount": ("CAP_SYS_ADMIN",),
    "perf_event_open": ("CAP_PERFMON", "CAP_SYS_ADMIN"),
    "pivot_root": ("CAP_SYS_ADMIN",),
    "prlimit64": ("CAP_SYS_RESOURCE",),
    "setrlimit": ("CAP_SYS_RESOURCE",),
    "process_vm_readv": ("CAP_SYS_PTRACE",),
    "ptrace": ("CAP_SYS_PTRACE",),
    "reboot": ("CAP_SYS_BOOT",),
    "sched_setattr": ("CAP_SYS_NICE",),
    "sched_setscheduler": ("CAP_SYS_NICE",),
    "setpriority": ("CAP_SYS_NICE",),
    "setgid": ("CAP_SETGID",),
    "setgroups": ("CAP_SETGID",),
    "setregid": ("CAP_SETGID",),
    "setresgid": ("CAP_SETGID",),
    "sethostname": ("CAP_SYS_ADMIN",),
    "setns": ("CAP_SYS_ADMIN",),
    "setresuid": ("CAP_SETUID",),
    "setreuid": ("CAP_SETUID",),
    "setuid": ("CAP_SETUID",),
    "swapon": ("CAP_SYS_ADMIN",),
    "syslog": ("CAP_SYSLOG", "CAP_SYS_ADMIN"),
    "umount2": ("CAP_SYS_ADMIN",),
    "unshare": ("CAP_SYS_ADMIN",),
}
"""The capability that lets the call through, first; what lets it through as well behind it."""
_OF_INTERNET: Final = (16, 28)
"""Sizes of sockaddr_in and sockaddr_in6."""
_PORT_SAID: Final = re.compile(r":(?P<port>\d{1,5}): bind: permission denied")
_AF_PACKET, _SOCK_RAW, _SOCK_TYPE_MASK = 17, 3, 0xF


def needed(call: SyscallError) -> tuple[str, ...]:
    """The capabilities, any of which would have let this refused call through; empty where none would."""
    special = _SPECIAL.get(call.syscall)
    return special(call) if special is not None else _BY_CALL.get(call.syscall, ())


def held(confinement: Fact | None) -> frozenset[str] | None:
    """Those that a process had in effect; None where unknown."""
    try:
        mask = int(str(confinement.data["capabilities"]), 16) if confinement is not None else None
    except (KeyError, ValueError):
        return None
    return None if mask is None else frozenset(name for name, bit in _NUMBERS.items() if mask >> bit & 1)


def port(call: SyscallError, said: str) -> int | None:
    """The port that was refused to bind(2): of its address, else as the program said it; None where unknown."""
    address = "" if call.address.startswith("unix:") else call.address
    number = address.rpartition(":")[2]
    if number.isdecimal():
        return int(number)
    told = _PORT_SAID.search(said)
    return int(told["port"]) if told is not None else None


def _of_bind(call: SyscallError) -> tuple[str, ...]:
    """A port below 1024 (ip(7)): an address of the internet that may not be bound to."""
    of_internet = len(call.args) > 2 and call.args[2] in _OF_INTERNET
    return ("CAP_NET_BIND_SERVICE",) if of_internet and errno_name(call.errno) == "EACCES" else ()


def _of_socket(call: SyscallError) -> tuple[str, ...]:
    """raw(7) and packet(7)."""
    family, kind = (call.args[0], call.args[1] & _SOCK_TYPE_MASK) if len(call.args) > 1 else (0, 0)
    return ("CAP_NET_RAW",) if family == _AF_PACKET or kind == _SOCK_RAW else ()


_SPECIAL: Final[dict[str, Callable[[SyscallError], tuple[str, ...]]]] = {"bind": _of_bind, "socket": _of_socket}
