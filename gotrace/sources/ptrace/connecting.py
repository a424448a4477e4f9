"""What became of a connect(2) that returned EINPROGRESS: the program learns it by getsockopt(2), and so do we."""

from __future__ import annotations

import errno
import struct
from typing import Final

from gotrace.sources.ptrace.calls import SOCKET_ERROR, by_mark
from gotrace.sources.ptrace.memory import Memory
from gotrace.sources.ptrace.stops import Stop, What

_ERROR: Final = struct.Struct("<i")
_MOST: Final = 1024
"""Connections that nobody asks about are forgotten, the oldest first."""


def asks_for_error(stop: Stop) -> bool:
    """It is a stop of the call that tells a socket's error."""
    return by_mark()[stop.mark].name == SOCKET_ERROR


class Connecting:
    """The connections of all processes that are on their way, by process and descriptor."""

    def __init__(self) -> None:
        self._begun: dict[tuple[int, int], Stop] = {}

    def began(self, pid: int, stop: Stop) -> bool:
        """Whether this failure says only that a connection is on its way; then it is remembered."""
        if stop.result != errno.EINPROGRESS or by_mark()[stop.mark].name != "connect":
            return False
        key = pid, _descriptor(stop)
        self._begun.pop(key, None)
        if len(self._begun) >= _MOST:
            del self._begun[next(iter(self._begun))]
        self._begun[key] = stop
        return True

    def waits(self, pid: int, stop: Stop) -> bool:
        """Whether the call of this stop asks what became of one."""
        return (pid, _descriptor(stop)) in self._begun

    def failed(self, pid: int, stop: Stop, memory: Memory, stack: bytes) -> Stop | None:
        """The failure of the connect that the call of this stop has told, or None; `stack` is of who asked."""
        begun = self._begun.pop((pid, _descriptor(stop)), None)
        told = memory.read(stop.args[3], _ERROR.size)
        if begun is None or len(told) < _ERROR.size:
            return None
        (error,) = _ERROR.unpack(told)
        args = (begun.args[0] & 0xFFFFFFFF, begun.args[1], begun.args[2] & 0xFFFFFFFF, 0, 0, 0)
        return (
            begun._replace(what=What.FAILED, tid=stop.tid, result=error, ip=stop.ip, args=args, stack=stack, held=True)
            if error > 0
            else None
        )


def _descriptor(stop: Stop) -> int:
    return stop.args[0] & 0xFFFFFFFF
