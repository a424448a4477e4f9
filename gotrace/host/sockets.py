"""The TCP sockets of a process as the kernel has them: queues of listening ones, states, retransmits (sock_diag(7)).

They are asked for in the network namespace of the process, which takes CAP_SYS_ADMIN where that is another than ours.
"""

from __future__ import annotations

import ctypes
import os
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

_CLONE_NEWNET: Final = 0x40000000
_INFO: Final = 1 << 1
"""INET_DIAG_INFO, number 2, as a bit of idiag_ext (linux/inet_diag.h)."""
_STATES: Final = {
    1: "established", 2: "syn-sent", 3: "syn-received", 4: "fin-wait-1", 5: "fin-wait-2", 7: "close", 8: "close-wait",
    9: "last-ack", 10: "listening", 11: "closing",
}  # fmt: skip
"""net/tcp_states.h. Those in time-wait (6) belong to no process any more."""
_LISTENING: Final = 10

_libc = ctypes.CDLL(None, use_errno=True)


class Listening(NamedTuple):
    """A listening socket: `queued` connections wait for accept(2), of at most `limit` and one."""

    address: str
    port: int
    queued: int
    limit: int


class Overview(NamedTuple):
    """All TCP sockets of a process, in numbers."""

    listening: tuple[Listening, ...]
    states: dict[str, int]
    retransmits: int
    """Segments that were sent again, by its sockets that are there now."""
    overflows: int | None
    """Connections that found a listen queue full since the namespace is there, of any process in it."""


class Sockets:
    """Asks about one process again and again. Use it in one thread that does nothing else: see `__init__`."""

    def __init__(self, pid: int) -> None:
        """Enter the network namespace of the process, if it is another one, with the calling thread.

        Raises:
            OSError: the process is gone, or its namespace is not ours to enter.
        """
        from pyroute2.netlink.diag import DiagSocket  # takes half a second

        self._pid = pid
        theirs, ours = Path(f"/proc/{pid}/ns/net"), Path("/proc/thread-self/ns/net")
        if theirs.stat().st_ino != ours.stat().st_ino:
            with theirs.open("rb") as namespace:
                if _libc.setns(namespace.fileno(), _CLONE_NEWNET) != 0:
                    number = ctypes.get_errno()
                    raise OSError(number, os.strerror(number))
        self._socket = DiagSocket()
        self._socket.bind()

    def look(self) -> Overview:
        """How they are now.

        Raises:
            OSError: the process is gone, or not ours to look into.
        """
        inodes = set(_inodes(self._pid))
        mine = [one for one in self._all() if one["idiag_inode"] in inodes]
        listening = [
            Listening(one["idiag_src"], one["idiag_sport"], one["idiag_rqueue"], one["idiag_wqueue"])
            for one in mine
            if one["idiag_state"] == _LISTENING
        ]
        states = Counter(_STATES.get(one["idiag_state"], "other") for one in mine)
        retransmits = sum(_retransmits(one) for one in mine)
        return Overview(tuple(sorted(listening)), dict(states), retransmits, _overflows(self._pid))

    def _all(self) -> Iterator[Any]:
        wanted = sum(1 << state for state in _STATES)
        for family in (socket.AF_INET, socket.AF_INET6):
            yield from self._socket.get_sock_stats(family=family, states=wanted, extensions=_INFO)

    def close(self) -> None:
        """Close the socket to the kernel."""
        self._socket.close()


def _inodes(pid: int) -> Iterator[int]:
    """Of the sockets that it has open (proc(5), "fd")."""
    for name in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208  twice as fast, and there may be thousands
        with suppress(OSError):
            target = os.readlink(f"/proc/{pid}/fd/{name}")  # noqa: PTH115
            if target.startswith("socket:["):
                yield int(target[8:-1])


def _retransmits(one: Any) -> int:
    info = one.get_attr("INET_DIAG_INFO")
    return int(info["tcpi_total_retrans"]) if info is not None and one["idiag_state"] != _LISTENING else 0


def _overflows(pid: int) -> int | None:
    """ListenOverflows of the namespace's TcpExt counters (/proc/PID/net/netstat)."""
    with suppress(OSError, ValueError):
        lines = [line.split() for line in Path(f"/proc/{pid}/net/netstat").read_text().splitlines()]
        names, values = (line for line in lines if line[0] == "TcpExt:")
        return int(values[names.index("ListenOverflows")])
    return None
