"""The words between gotrace and its collector: one JSON object per packet of a Unix socket, descriptors beside it."""

from __future__ import annotations

import array
import socket

import msgspec

from gotrace.sources.ebpf.compiled import Layout

_LARGEST = 1 << 18
_MOST_DESCRIPTORS = 8


class Attach(msgspec.Struct, tag="attach"):
    """To the collector: load, attach, and follow the process that shows `cookie`."""

    cookie: int
    running: bool = False
    program: str = ""
    stops: bool = True
    pid: int = 0
    """The last four as in `gotrace.sources.base.Target`."""


class Ready(msgspec.Struct, tag="ready"):
    """From the collector: attached. The descriptors of `maps` come with it, in that order."""

    maps: list[tuple[str, int]]
    """(name, size of a ring buffer in bytes or number of entries)."""
    layouts: dict[str, Layout]
    constants: dict[str, int]
    missing: dict[str, str] = {}
    """Programs that could not be attached, and why."""
    followed: list[int] = []
    """Processes that were there and are followed: the one that was asked for, and its descendants."""


class Refused(msgspec.Struct, tag="refused"):
    """From the collector: it cannot work."""

    message: str
    remedy: str
    permission: bool


class Stop(msgspec.Struct, tag="stop"):
    """To the collector: detach, say what was missed, and end."""


class Stopped(msgspec.Struct, tag="stopped"):
    """From the collector: detached; `missed` runs of each program."""

    missed: dict[str, int]
    notes: list[str] = []
    """What the user should know besides."""


Message = Attach | Ready | Refused | Stop | Stopped


def send(connection: socket.socket, message: Message, descriptors: list[int] | None = None) -> None:
    """Send one message.

    Raises:
        OSError: the other side is gone.
    """
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    connection.sendmsg([msgspec.json.encode(message)], rights, socket.MSG_NOSIGNAL)


def receive(connection: socket.socket) -> tuple[Message | None, list[int]]:
    """The next message and its descriptors (CLOEXEC); None where the other side is gone or talks nonsense.

    Raises:
        OSError: the connection broke, or its time-out passed.
    """
    data, descriptors, _, _ = socket.recv_fds(connection, _LARGEST, _MOST_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC)
    try:
        return (msgspec.json.decode(data, type=Message) if data else None), list(descriptors)
    except msgspec.MsgspecError:
        return None, list(descriptors)
