"""Tells a signal that was sent to our whole process group from one that was sent to us alone.

The kernel does not say: `si_code` and `si_pid` are the same for both (sigaction(2)). But what the group gets, each of
its processes gets; so one more of them, which blocks all signals, has it pending (ShdPnd in /proc/PID/status, proc(5)).
"""

from __future__ import annotations

import contextlib
import os
import signal
from typing import Final

_PROGRAMS: Final = ("/bin/cat", "/usr/bin/cat")
"""Waits for the end of a pipe that we hold, and so ends with us, however we end. Not called like us, lest a pkill(1)
that means us alone meets it too."""


class Witness:
    """A process of our group that only sleeps. Where it cannot be started, no signal is known to be the group's."""

    def __init__(self) -> None:
        self._pid = 0
        self._pipe = -1
        self._start()

    def seen(self) -> frozenset[int]:
        """Signals that the group got since the last call."""
        pending = _pending(self._pid) if self._pid else frozenset[int]()
        if pending:  # nobody can take them away from it: the next one needs another witness
            self.end()
            self._start()
        return pending

    def _start(self) -> None:
        ours, null = os.pipe(), os.devnull
        actions = [
            (os.POSIX_SPAWN_DUP2, ours[0], 0),
            (os.POSIX_SPAWN_OPEN, 1, null, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, null, os.O_WRONLY, 0),
        ]
        blocked = signal.valid_signals()
        for program in _PROGRAMS:
            with contextlib.suppress(OSError):
                self._pid = os.posix_spawn(program, ["cat"], os.environ, file_actions=actions, setsigmask=blocked)
                break
        os.close(ours[0])
        self._pipe = ours[1]

    def end(self) -> None:
        """It is not needed any more."""
        if self._pipe >= 0:
            os.close(self._pipe)
        if self._pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self._pid, 0)
        self._pid, self._pipe = 0, -1


def _pending(pid: int) -> frozenset[int]:
    """Signals that wait for the process as a whole; none where it is gone."""
    try:
        with open(f"/proc/{pid}/status", "rb") as stream:  # noqa: PTH123  quicker, and read between two signals
            lines = stream.read().splitlines()
    except OSError:
        return frozenset()
    mask = next((int(line.split()[1], 16) for line in lines if line.startswith(b"ShdPnd:")), 0)
    return frozenset(number for number in range(1, 65) if mask >> number - 1 & 1)
