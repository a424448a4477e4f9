"""What stderr says while a program is watched: that it is, and a line now and then."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from gotrace.cli import streams
from gotrace.cli.happenings import Happenings
from gotrace.cli.observing import Observing
from gotrace.events.model import Event
from gotrace.reports.escape import safe_line


class Watching(Observing):
    """Observes a capture by an attached program; says that it is attached, and with `interval` a line so often."""

    def __init__(self, pid: int, *, interval: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._pid, self._interval, self._clock = pid, interval, clock
        self.happenings = Happenings()
        self._began = self._told = clock()

    def begin(self) -> None:
        """Everything is attached."""
        self._began = self._told = self._clock()
        streams.to_stderr(f"gotrace: attached to process {self._pid} ({name_of(self._pid)}); ^C ends it\n")

    def live(self, events: Sequence[Event]) -> None:
        """Events as they are decoded."""
        self.happenings.live(events)

    def failing(self, events: Sequence[Event] | None) -> None:
        """Failing calls as they come, None for too many at once."""
        self.happenings.failing(events, self._clock())

    def tick(self, _terminal_writes: int) -> None:
        """Comes 10 to 50 times a second."""
        now = self._clock()
        if self._interval is not None and now - self._told >= self._interval:
            self._told += self._interval
            streams.to_stderr(safe_line(self.happenings.line(now - self._began, threads_of(self._pid))) + "\n")

    def stopping(self) -> None:
        """Only a launched command stops gotrace with it."""

    def ended(self) -> None:
        """It is over: nothing more is drawn."""


def name_of(pid: int) -> str:
    """As the kernel calls a process, safe to print."""
    try:
        return safe_line(Path(f"/proc/{pid}/comm").read_text(errors="backslashreplace").rstrip("\n"))
    except OSError:
        return "gone"


def threads_of(pid: int) -> int:
    """How many it has; 0 where it is gone."""
    try:
        return len(os.listdir(f"/proc/{pid}/task"))  # noqa: PTH208  called many times
    except OSError:
        return 0
