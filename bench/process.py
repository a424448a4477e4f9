"""Runs one command and says what it and all that it started cost, as the kernel accounts it.

A tracer or a collector that runs detached is nobody's child, so no rusage(2) of the command has its CPU. While a
command runs we are the one that such orphans fall to (PR_SET_CHILD_SUBREAPER, prctl(2)), and wait for them too.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.phases import Course, Phases
from gotrace.capture.prctl import prctl

_PR_SET_CHILD_SUBREAPER = 36
_ORPHANS_S = 10.0
_NAP_S = 0.002


class Cost(NamedTuple):
    """What one run of a command cost. CPU is that of the command and of all it started, detached or not."""

    wall_s: float
    """Until the command itself is gone."""
    cpu_s: float
    spawned_ns: int
    """CLOCK_MONOTONIC right before the command was started."""
    ended_ns: int
    course: Course | None = None
    """Where gotrace's own CPU went, if it was watched."""


class CommandFailedError(Exception):
    """A command that should succeed did not; the message holds the end of what it wrote."""


def run(argv: Sequence[str], cwd: Path, env: Mapping[str, str], log: Path, *, watched: bool = False) -> Cost:
    """Run `argv` in `cwd` to its end, its stdout and stderr going to `log`. `watched`: it is gotrace with a command.

    Raises:
        CommandFailedError: it exited with another status than 0, or left something running.
    """
    with log.open("wb") as output, _adopting_orphans():
        spawned = time.monotonic_ns()
        pid = os.posix_spawnp(
            "env",
            ["env", "-C", str(cwd), *argv],
            env,
            file_actions=[(os.POSIX_SPAWN_DUP2, output.fileno(), 1), (os.POSIX_SPAWN_DUP2, output.fileno(), 2)],
        )
        phases = Phases(pid) if watched else None
        if phases:
            phases.watch()
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        ended = time.monotonic_ns()
        if phases:
            phases.ended()
        _, status, usage = os.wait4(pid, 0)
        orphans_s = _wait_for_orphans()
    code = os.waitstatus_to_exitcode(status)
    if code != 0:
        raise CommandFailedError(f"exit {code}: {' '.join(argv)}\n{log.read_text(errors='replace')[-2000:]}")
    cpu_s = usage.ru_utime + usage.ru_stime + orphans_s
    course = phases.course(cpu_s, orphans_s) if phases else None
    return Cost((ended - spawned) / 1e9, cpu_s, spawned, ended, course)


@contextlib.contextmanager
def _adopting_orphans() -> Iterator[None]:
    """Processes whose parent has gone become our children."""
    prctl(_PR_SET_CHILD_SUBREAPER, 1)
    try:
        yield
    finally:
        prctl(_PR_SET_CHILD_SUBREAPER, 0)


def _wait_for_orphans() -> float:
    """CPU seconds of all that is left."""
    seconds = 0.0
    until = time.monotonic() + _ORPHANS_S
    while time.monotonic() < until:
        try:
            pid, _, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return seconds
        if pid:
            seconds += usage.ru_utime + usage.ru_stime
        else:
            time.sleep(_NAP_S)
    raise CommandFailedError(f"something it started still runs {_ORPHANS_S:.0f} s after its end")
