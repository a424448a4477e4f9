"""Runs one command and says what it cost, as the kernel accounts it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class Cost(NamedTuple):
    """What one run of a command cost. CPU is that of the command and of all descendants that were waited for."""

    wall_s: float
    cpu_s: float
    exit: int
    spawned_ns: int
    """CLOCK_MONOTONIC right before the command was started."""
    ended_ns: int


class CommandFailedError(Exception):
    """A command that should succeed did not; the message holds the end of what it wrote."""


def run(argv: Sequence[str], cwd: Path, env: Mapping[str, str], log: Path) -> Cost:
    """Run `argv` in `cwd` to its end, its stdout and stderr going to `log`.

    Raises:
        CommandFailedError: it exited with another status than 0.
    """
    with log.open("wb") as output:
        spawned = time.monotonic_ns()
        pid = os.posix_spawnp(
            "env",
            ["env", "-C", str(cwd), *argv],
            env,
            file_actions=[(os.POSIX_SPAWN_DUP2, output.fileno(), 1), (os.POSIX_SPAWN_DUP2, output.fileno(), 2)],
        )
        _, status, usage = os.wait4(pid, 0)
        ended = time.monotonic_ns()
    code = os.waitstatus_to_exitcode(status)
    if code != 0:
        raise CommandFailedError(f"exit {code}: {' '.join(argv)}\n{log.read_text(errors='replace')[-2000:]}")
    return Cost((ended - spawned) / 1e9, usage.ru_utime + usage.ru_stime, code, spawned, ended)
