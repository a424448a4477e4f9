"""One line of progress at the bottom of the terminal while a build runs and says nothing.

The command owns the terminal. Its writes are seen up to 20 ms late, so a line at the cursor would be mixed with them.
The line therefore stands in the last row, which DECSTBM takes out of the scrolling region: whatever the command writes
meanwhile goes where it would have gone. At the first byte the command writes the row is given back, for good.
Sequences: DEC STD 070, as xterm's ctlseqs.txt lists them.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Callable, Mapping, Sequence

from gotrace.cli import screen
from gotrace.cli.observing import Observing
from gotrace.cli.tally import Tally
from gotrace.events.model import Event
from gotrace.reports.escape import safe_line

_QUIET_S = 0.5
"""How long the command must have been silent before the line appears."""
_REDRAW_S = 0.2
_FEWEST_ROWS = 5
_FEWEST_COLUMNS = 20

_SAVE, _RESTORE = "\x1b7", "\x1b8"
"""DECSC and DECRC: position, attributes and a pending wrap of the cursor."""
_DOWN, _UP = "\x1bD", "\x1b[A"
"""IND scrolls in the last row and keeps the column; CUU does not scroll."""
_PLAIN, _CLEAR_ROW, _CLEAR_BELOW = "\x1b[m", "\x1b[2K", "\x1b[J"
_WHOLE_SCREEN = "\x1b[r"


class Progress(Observing):
    """Observes a capture and draws the line; leaving it as a context manager leaves no trace of it.

    `fd` is the terminal; `clock` gives seconds.
    """

    def __init__(self, fd: int = 2, clock: Callable[[], float] = time.monotonic) -> None:
        self._fd = fd
        self._clock = clock
        self._tally = Tally()
        self._started: float | None = None
        """When the command was first seen running."""
        self._drawn_at = 0.0
        self._size: os.terminal_size | None = None
        """Size for which the last row is reserved; None: it is not."""
        self._over = False

    def live(self, events: Sequence[Event]) -> None:
        """Events as they are decoded."""
        self._tally.add(events)

    def tick(self, terminal_writes: int) -> None:
        """Called many times a second with the number of writes to any terminal by the command and its children."""
        if self._over:
            return
        if terminal_writes:
            self.ended()
            return
        now = self._clock()
        self._started = now if self._started is None else self._started
        if now - self._started >= _QUIET_S and now - self._drawn_at >= _REDRAW_S:
            self._drawn_at = now
            self._draw(now - self._started)

    def stopping(self) -> None:
        """The command was stopped and gotrace is about to stop as well: the shell gets a whole terminal."""
        self._remove()

    def ended(self) -> None:
        """The line is not needed any more."""
        self._over = True
        self._remove()

    def _draw(self, seconds: float) -> None:
        size = _size_of(self._fd)
        if size is None or not screen.in_foreground(self._fd):
            self._remove()
            return
        reserve = ""
        if size != self._size:
            if self._size is not None:
                # Where a resize moved the row nobody can tell, but below the cursor there was nothing else.
                reserve = _SAVE + _WHOLE_SCREEN + _RESTORE + _SAVE + _PLAIN + _CLEAR_BELOW + _RESTORE
            reserve += _DOWN + _UP + _SAVE + f"\x1b[1;{size.lines - 1}r" + _RESTORE
        text = safe_line(self._tally.line(seconds))[: size.columns - 1]
        # One write(2): the kernel does not mix it with the command's.
        self._write(f"{reserve}{_SAVE}\x1b[{size.lines};1H{_PLAIN}{_CLEAR_ROW}{text}{_RESTORE}")
        self._size = size

    def _remove(self) -> None:
        if self._size is None:
            return
        rows, self._size = self._size.lines, None
        self._write(f"{_SAVE}{_WHOLE_SCREEN}\x1b[{rows};1H{_PLAIN}{_CLEAR_ROW}{_RESTORE}")

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):  # the terminal may be gone
            os.write(self._fd, text.encode("ascii", "replace"))


def progress(*, quiet: bool, fd: int = 2, environ: Mapping[str, str] = os.environ) -> Progress | None:
    """A line of progress where somebody looks: on a terminal that we are in the foreground of, and not in a CI.

    None where the command's stdout is a pipe: what reads it (less, tee) may write to the terminal, and is not seen.
    """
    wanted = not quiet and screen.is_drawn_on(environ) and not _is_pipe(1)
    return Progress(fd) if wanted and _size_of(fd) is not None and screen.in_foreground(fd) else None


def _size_of(fd: int) -> os.terminal_size | None:
    """Size of the terminal, None where there is none or where it is too small to give a row away."""
    return screen.size_of(fd, rows=_FEWEST_ROWS, columns=_FEWEST_COLUMNS)


def _is_pipe(fd: int) -> bool:
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
