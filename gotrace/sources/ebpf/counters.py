"""Reads the probes' counters (records.h, COUNTER_*) through a read-only mmap(2): exact, live, and even after the
collector died."""

from __future__ import annotations

import mmap
import os
from collections.abc import Mapping

from gotrace.events.model import Lost
from gotrace.sources import syscalls

_KINDS = {
    "COUNTER_LOST_FORK": ("fork", "ring buffer full"),
    "COUNTER_LOST_EXEC": ("exec", "ring buffer full"),
    "COUNTER_LOST_EXIT": ("exit", "ring buffer full"),
    "COUNTER_LOST_OUTPUT": ("output", "ring buffer full, or text not readable"),
    "COUNTER_LOST_FAILURE": ("syscall_error", "ring buffer full"),
    "COUNTER_UNFOLLOWED": ("unknown", "process table full: they and what they started were not followed"),
    "COUNTER_LOST_TEXT": ("exec", "ring buffer full, or memory not readable: an argument vector, environment or"
                          " working directory is not whole"),
    "COUNTER_LOST_LIBRARY": ("library", "ring buffer full, or its descriptor was closed at once"),
    "COUNTER_LOST_DL_CALL": ("dlopen", "ring buffer or table of calls full, or a name not readable"),
    "COUNTER_LOST_SIGNAL": ("signal", "ring buffer full"),
    "COUNTER_LOST_CLOCK_READS": ("clock_reads", "table full: more places in code read the clock by system calls"),
}  # fmt: skip


class Counters:
    """The counters behind a descriptor of a mmapable array; the descriptor may be closed after construction."""

    def __init__(self, descriptor: int, constants: Mapping[str, int]) -> None:
        self._constants = constants
        self._row = constants["COUNTER_ROW"]
        rows = constants["COUNTER_CPUS"]
        self._map = mmap.mmap(descriptor, rows * self._row * 8, mmap.MAP_SHARED, mmap.PROT_READ)
        self._values = memoryview(self._map).cast("Q")
        self._rows = range(0, min(rows, os.cpu_count() or rows) * self._row, self._row)

    def value(self, name: str) -> int:
        """Sum over all CPUs of one COUNTER_ name."""
        return self._sum(self._constants[name])

    def _sum(self, slot: int) -> int:
        values = self._values
        return sum(values[row + slot] for row in self._rows)

    def lost(self, ts_ns: int) -> list[Lost]:
        """One event for each kind of loss that happened."""
        return [
            Lost(ts_ns=ts_ns, pid=0, what=what, count=count, reason=reason)
            for name, (what, reason) in _KINDS.items()
            if (count := self.value(name))
        ]

    def noise(self) -> dict[str, int]:
        """Counted calls by "name ERRNO" (of i386: "i386 name ERRNO"); "interrupted" are those a signal broke."""
        counts: dict[str, int] = {}
        slot = self._constants["COUNTER_NOISE"]
        for call in syscalls.table():
            for error in call.noise:
                if number := self._sum(slot):
                    prefix = "i386 " if call.abi == "i386" else ""
                    counts[f"{prefix}{call.name} {error}"] = number
                slot += 1
        if interrupted := self.value("COUNTER_INTERRUPTED"):
            counts["interrupted"] = interrupted
        return counts

    def close(self) -> None:
        """Unmap them."""
        self._values.release()
        self._map.close()
