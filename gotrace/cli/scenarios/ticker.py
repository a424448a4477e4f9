"""The line below the table that says what runs now; the scenarios' own output never reaches the terminal."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping

from gotrace.cli import screen, streams
from gotrace.reports.escape import safe_line

_REDRAW_S = 1.0
_TELLING = 3
"""From so many ends on the time that is left can be estimated."""
_CLEAR = "\r\x1b[2K"


class Ticker:
    """Draws on stderr where somebody looks, else nothing. May be called from any thread."""

    def __init__(self, total: int, *, shown: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._total, self._shown, self._clock = total, shown, clock
        self._started = clock()
        self._ended = 0
        self._running: dict[str, str] = {}
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._redraw, daemon=True)

    def __enter__(self) -> Ticker:
        if self._shown:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()
        with self._lock:
            self._clear()

    def runs(self, job: str, act: str) -> None:
        """A job is at an act now."""
        with self._lock:
            self._running[job] = act
            self._draw()

    def ended(self, job: str, told: Callable[[], None]) -> None:
        """A job is over; `told` prints its row where the line was."""
        with self._lock:
            self._running.pop(job, None)
            self._ended += 1
            self._clear()
            told()
            self._draw()

    def line(self) -> str:
        """As in `12 of 80 done, 45 s, about 4 min left: missing-header by ebpf (fix-1)`."""
        seconds = self._clock() - self._started
        running = ", ".join(f"{job} ({act})" for job, act in self._running.items())
        left = self._left(seconds)
        return f"{self._ended} of {self._total} done, {seconds:.0f} s{left}" + (f": {running}" if running else "")

    def _left(self, seconds: float) -> str:
        """How long the rest takes if it is like what has ended; nothing where that is too little to tell."""
        if self._ended < _TELLING or self._ended == self._total:
            return ""
        left = seconds / self._ended * (self._total - self._ended)
        return f", about {left / 60:.0f} min left" if left >= 90 else f", about {max(left, 1):.0f} s left"

    def _redraw(self) -> None:
        while not self._over.wait(_REDRAW_S):
            with self._lock:
                self._draw()

    def _draw(self) -> None:
        if self._shown and not self._over.is_set():
            streams.to_stderr(_CLEAR + safe_line(self.line())[: _columns() - 1])

    def _clear(self) -> None:
        if self._shown:
            streams.to_stderr(_CLEAR)


def wanted(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether stderr is a terminal on which a line can be drawn over, and not the log of a CI."""
    return screen.is_drawn_on(environ) and screen.in_foreground(2)


def _columns() -> int:
    try:
        return os.get_terminal_size(2).columns or 80
    except OSError:
        return 80
