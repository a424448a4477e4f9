"""So many of something in each second, and no more."""

from __future__ import annotations

import time


class Quota:
    """Counts by the seconds of the monotonic clock."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._second = 0
        self._taken = 0

    def take(self) -> bool:
        """Whether there was one left."""
        second = time.monotonic_ns() // 1_000_000_000
        if second != self._second:
            self._second, self._taken = second, 0
        self._taken += 1
        return self._taken <= self._most
