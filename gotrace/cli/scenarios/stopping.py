"""Ends what runs when the user has had enough (^C), or somebody else has (SIGTERM, SIGHUP)."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

_ENOUGH = (signal.SIGTERM, signal.SIGHUP)


class StoppedError(Exception):
    """Raised where the next act would begin, so that the runner clears up and ends."""


@contextlib.contextmanager
def like_interrupts() -> Iterator[None]:
    """SIGTERM and SIGHUP are a KeyboardInterrupt meanwhile: what was begun is cleared up. Main thread only."""
    before = {number: signal.signal(number, _interrupt) for number in _ENOUGH}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def interrupt_children() -> None:
    """SIGINT to every child of this process; a ^C reached them already, another signal did not (proc_pid_task(5))."""
    for listing in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for pid in listing.read_text().split():
                os.kill(int(pid), signal.SIGINT)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
