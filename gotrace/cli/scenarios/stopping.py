"""Ends what runs when the user has had enough (^C), or somebody else has (SIGTERM, SIGHUP)."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Final, TypeVar

_ENOUGH: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_STATUS_OF_SIGNAL: Final = 128
_LOOK_AGAIN_S: Final = 0.2

T = TypeVar("T")


class StoppedError(Exception):
    """Raised where the next act would begin, so that the runner clears up and ends."""


class StoppedBy(KeyboardInterrupt):
    """Somebody has had enough, and said so by this signal."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.signal = signal.Signals(number)

    @property
    def exit_code(self) -> int:
        """As shells have it: 130 for ^C, 143 for SIGTERM."""
        return _STATUS_OF_SIGNAL + self.signal


class Stop:
    """Takes the signals. An exception in the midst of anything would leave it half done, so it waits for us to wait."""

    def __init__(self) -> None:
        self._by: StoppedBy | None = None
        self._waiting = False

    def wait_for(self, answer: Callable[[], T]) -> T:
        """What `answer` gives, which may take long.

        Raises:
            StoppedBy: the user has had enough meanwhile, or had before.
        """
        self._waiting = True
        try:
            if self._by is not None:
                raise self._by
            return answer()
        finally:
            self._waiting = False

    def arrived(self, number: int, _frame: FrameType | None) -> None:
        """A handler of signals. At the second one the user cannot even wait for the clearing up."""
        again, self._by = self._by is not None, self._by or StoppedBy(number)
        if again or self._waiting:
            raise self._by


@contextlib.contextmanager
def stoppable() -> Iterator[Stop]:
    """Meanwhile ^C, SIGTERM and SIGHUP, unless they are ignored, end what is waited for. Main thread only."""
    stop = Stop()
    before = {number: handler for number in _ENOUGH if (handler := signal.getsignal(number)) is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, stop.arrived)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_children(number: int, over: Callable[[float], bool]) -> None:
    """A signal to every child of this process, also to one that starts only now, until `over` (after some seconds).

    A ^C reached them already, another signal did not. It is the one that stopped us: another they may ignore, as all
    that a shell starts in the background does SIGINT.
    """
    told: set[int] = set()
    while True:
        for pid in _children() - told:
            told.add(pid)
            with contextlib.suppress(OSError):  # one that has ended, or sudo
                os.kill(pid, number)
        if over(_LOOK_AGAIN_S):
            return


def _children() -> set[int]:
    """See proc_pid_task(5)."""
    found: set[int] = set()
    for listing in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found.update(map(int, listing.read_text().split()))
    return found
