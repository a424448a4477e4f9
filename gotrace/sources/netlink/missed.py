"""How many messages of the process connector never arrived."""

from __future__ import annotations

import errno
from typing import Final

_WORD: Final = 1 << 32
_NO_CPU: Final = _WORD - 1
"""Named as the CPU by acknowledgements of older kernels, which number them apart."""


class Missed:
    """Counts by the numbers that each CPU gives its messages, which go up by one (send_msg in cn_proc.c).

    That is the least there can have been: a CPU's messages before the first that arrived and after the last one leave
    no gap. netlink(7) tells by ENOBUFS that there was something.
    """

    def __init__(self) -> None:
        self._next: dict[int, int] = {}
        self._gaps = 0
        self._overruns = 0

    @property
    def total(self) -> int:
        """Messages that are known to be missing, of whatever process on the machine."""
        return max(self._gaps, self._overruns)

    def count(self, cpu: int, seq: int) -> None:
        """A message has arrived."""
        if cpu == _NO_CPU:
            return
        expected = self._next.get(cpu, seq)
        ahead = (seq - expected) % _WORD
        if ahead < _WORD // 2:
            self._gaps += ahead
            self._next[cpu] = (seq + 1) % _WORD
        else:  # overtaken by a later one, as can happen in old kernels, and counted as missing then
            self._gaps -= 1

    def told(self, error: OSError) -> None:
        """The socket failed to give a message.

        Raises:
            OSError: for anything else than messages that were dropped.
        """
        if error.errno != errno.ENOBUFS:
            raise error
        self._overruns += 1
