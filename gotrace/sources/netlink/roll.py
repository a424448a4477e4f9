"""How the launched child presents itself: by a few bytes through a pipe, with the target's cookie."""

from __future__ import annotations

import os
import struct
from typing import Final

_ANSWER: Final = struct.Struct("=Qi")
"""The cookie and the process's number. Short enough that a pipe takes it as a whole (pipe(7))."""


class RollCall:
    """The pipe. It needs nothing of Python's in the child but one write(2)."""

    def __init__(self, cookie: int) -> None:
        self._cookie = cookie
        self._answers, self._answer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def present(self) -> None:
        """Called by whoever is to be followed."""
        os.write(self._answer, _ANSWER.pack(self._cookie, os.getpid()))

    def answers(self) -> list[int]:
        """Who has presented themselves since the last time."""
        try:
            data = os.read(self._answers, 64 * _ANSWER.size)
        except BlockingIOError:
            return []
        return [pid for cookie, pid in _ANSWER.iter_unpack(data) if cookie == self._cookie]

    def close(self) -> None:
        """Nobody else can present themselves."""
        os.close(self._answers)
        os.close(self._answer)
