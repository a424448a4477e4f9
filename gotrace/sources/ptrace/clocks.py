"""Counts the calls by which programs read the clock, by process and place in code: one record for each place."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from gotrace.sources.ptrace import bodies, records
from gotrace.sources.ptrace.processes import Process
from gotrace.sources.ptrace.stops import Stop

_MOST_PLACES: Final = 1024
"""Of one process; a compiler that works while the program runs may make ever more."""

_Place = tuple[int, int]
"""Mark of the call, and instruction pointer."""


class Clocks:
    """The reads of all processes, until each ends or runs another program."""

    def __init__(self, tell: Callable[[int, bytes], None], lose: Callable[[int], None]) -> None:
        """`tell` takes the kind of a record and the record, `lose` the kind of one that cannot be made."""
        self._tell, self._lose = tell, lose
        self._made: dict[int, tuple[Process, dict[_Place, list[int]]]] = {}
        """By pid: how many, when the first one was, when and by which thread the last one."""

    def read(self, process: Process, stop: Stop) -> None:
        """A thread of it is about to read the clock."""
        now = time.monotonic_ns()
        _, places = self._made.setdefault(process.pid, (process, {}))
        place = stop.mark, stop.ip
        known = places.get(place)
        if known is None:
            if len(places) < _MOST_PLACES:
                places[place] = [1, now, now, stop.tid]
            else:
                self._lose(records.CLOCK_READS)
            return
        known[0] += 1
        known[2], known[3] = now, stop.tid

    def tell(self, pid: int) -> None:
        """That process is about to be another one, or none."""
        process, places = self._made.pop(pid, (None, {}))
        if process is None:
            return
        for (mark, ip), (count, began, last, tid) in places.items():
            made = bodies.Reads(count, began, last, ip)
            self._tell(records.CLOCK_READS, records.clock_reads(process.who(tid), mark, made))

    def tell_all(self) -> None:
        """Nobody wants to know more."""
        for pid in list(self._made):
            self.tell(pid)
