"""Names of the numbers that system calls take, as strace prints them.

Sources: <asm-generic/mman-common.h>, <linux/mman.h>, <asm/mman.h> of x86, <asm-generic/resource.h>,
<linux/resource.h>, <linux/socket.h> and <linux/net.h> of Linux 6.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_PROTECTIONS: Final = (
    (0x1, "PROT_READ"), (0x2, "PROT_WRITE"), (0x4, "PROT_EXEC"), (0x8, "PROT_SEM"), (0x01000000, "PROT_GROWSDOWN"),
    (0x02000000, "PROT_GROWSUP"),
)  # fmt: skip
_SHARING: Final = {0x1: "MAP_SHARED", 0x2: "MAP_PRIVATE", 0x3: "MAP_SHARED_VALIDATE"}
_MAPPING: Final = (
    (0x10, "MAP_FIXED"), (0x20, "MAP_ANONYMOUS"), (0x40, "MAP_32BIT"), (0x100, "MAP_GROWSDOWN"),
    (0x800, "MAP_DENYWRITE"), (0x1000, "MAP_EXECUTABLE"), (0x2000, "MAP_LOCKED"), (0x4000, "MAP_NORESERVE"),
    (0x8000, "MAP_POPULATE"), (0x10000, "MAP_NONBLOCK"), (0x20000, "MAP_STACK"), (0x40000, "MAP_HUGETLB"),
    (0x80000, "MAP_SYNC"), (0x100000, "MAP_FIXED_NOREPLACE"),
)  # fmt: skip
_RESOURCES: Final = (
    "RLIMIT_CPU", "RLIMIT_FSIZE", "RLIMIT_DATA", "RLIMIT_STACK", "RLIMIT_CORE", "RLIMIT_RSS", "RLIMIT_NPROC",
    "RLIMIT_NOFILE", "RLIMIT_MEMLOCK", "RLIMIT_AS", "RLIMIT_LOCKS", "RLIMIT_SIGPENDING", "RLIMIT_MSGQUEUE",
    "RLIMIT_NICE", "RLIMIT_RTPRIO", "RLIMIT_RTTIME",
)  # fmt: skip
_PRIORITIES: Final = ("PRIO_PROCESS", "PRIO_PGRP", "PRIO_USER")
_FAMILIES: Final = {
    0: "AF_UNSPEC", 1: "AF_UNIX", 2: "AF_INET", 10: "AF_INET6", 16: "AF_NETLINK", 17: "AF_PACKET", 38: "AF_ALG",
    40: "AF_VSOCK", 44: "AF_XDP",
}  # fmt: skip
_SOCKETS: Final = {
    1: "SOCK_STREAM", 2: "SOCK_DGRAM", 3: "SOCK_RAW", 4: "SOCK_RDM", 5: "SOCK_SEQPACKET", 10: "SOCK_PACKET",
}  # fmt: skip
_OPENED: Final = ((0o4000, "SOCK_NONBLOCK"), (0o2000000, "SOCK_CLOEXEC"))
_KIND_OF_SOCKET: Final = 0xF


def protection(value: int) -> str:
    """`PROT_READ|PROT_WRITE`, of mmap and mprotect."""
    return _joined([], value, _PROTECTIONS) or "PROT_NONE"


def mapping(value: int) -> str:
    """`MAP_PRIVATE|MAP_ANONYMOUS`, of mmap."""
    sharing = _SHARING.get(value & 0x3)
    return _joined([sharing] if sharing else [], value & ~0x3, _MAPPING) or "0"


def resource(value: int) -> str:
    """`RLIMIT_NPROC`, of setrlimit and prlimit64."""
    return _numbered(_RESOURCES, value)


def whose_priority(value: int) -> str:
    """`PRIO_PROCESS`, of getpriority and setpriority."""
    return _numbered(_PRIORITIES, value)


def family(value: int) -> str:
    """`AF_INET6`, of socket and socketpair."""
    return _FAMILIES.get(value, str(value))


def kind_of_socket(value: int) -> str:
    """`SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK`, of socket and socketpair."""
    kind = _SOCKETS.get(value & _KIND_OF_SOCKET, str(value & _KIND_OF_SOCKET))
    return _joined([kind], value & ~_KIND_OF_SOCKET, _OPENED)


def _numbered(names: Sequence[str], value: int) -> str:
    return names[value] if 0 <= value < len(names) else str(value)


def _joined(first: list[str], value: int, names: Sequence[tuple[int, str]]) -> str:
    told = list(first)
    for bit, name in names:
        if value & bit:
            told.append(name)
            value &= ~bit
    return "|".join([*told, hex(value)] if value else told)
