"""Memory and CPU of gotrace's own processes (not of the command that it traces), seen from outside through /proc."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass, field
from typing import NamedTuple

from bench.proc import PROC, TICKS, children, command_of, text, ticks
from bench.workloads import Bench

EVERY_S = 0.02


class Own(NamedTuple):
    """What gotrace's own processes used."""

    peak_mb: float
    """Highest sum of their memory at one moment. It is the proportional set size: a page that is mapped by two
    processes, or twice by one (as a ring buffer is), counts once."""
    cpu_s: float
    """CPU while the command ran."""
    command_cpu_s: float
    """CPU of the command, and of the tools that were asked for facts after it."""


def measure(argv: list[str], bench: Bench) -> Own:
    """Run a gotrace command and watch gotrace's own processes, 50 times a second."""
    before = os.times()
    with bench.log.open("wb") as log:
        gotrace = subprocess.Popen(argv, cwd=bench.program, env=bench.env, stdout=log, stderr=log)
        watch = _Watch(gotrace.pid)
        while gotrace.poll() is None:
            watch.look()
            time.sleep(EVERY_S)
    if gotrace.returncode != 0:
        raise RuntimeError(f"{argv} exited with {gotrace.returncode}: {bench.log.read_text(errors='replace')[-2000:]}")
    after = os.times()
    total = after.children_user + after.children_system - before.children_user - before.children_system
    return Own(watch.peak_kb / 1024, watch.cpu_at_end - watch.cpu_at_start, total - watch.cpu_of_root())


@dataclass
class _Watch:
    """What was seen of gotrace and of the collector, which runs detached but with gotrace's own command line."""

    root: int
    peak_kb: int = 0
    cpu_at_start: float = 0.0
    cpu_at_end: float = 0.0
    _ticks: dict[int, int] = field(default_factory=dict)
    _command: int | None = None

    def cpu(self) -> float:
        """CPU seconds of all own processes until now."""
        return sum(self._ticks.values()) / TICKS

    def cpu_of_root(self) -> float:
        """CPU seconds of gotrace itself; the collector's are in nobody's account of waited-for children."""
        return self._ticks.get(self.root, 0) / TICKS

    def look(self) -> None:
        """One sample."""
        alive = children(self.root)
        if self._command is None:
            self._command = command_of(self.root)
            self.cpu_at_start = self.cpu()
        elif self._command in alive:
            self.cpu_at_end = self.cpu()
        own = _same_command_line(self.root) - alive | {self.root}
        for pid in own:
            self._ticks[pid] = max(ticks(pid), self._ticks.get(pid, 0))
        self.peak_kb = max(self.peak_kb, sum(map(_memory_kb, own)))


def _same_command_line(pid: int) -> set[int]:
    words = text(PROC / f"{pid}/cmdline")
    return {int(p.name) for p in PROC.iterdir() if p.name.isdigit() and words and text(p / "cmdline") == words}


def _memory_kb(pid: int) -> int:
    lines = text(PROC / f"{pid}/smaps_rollup").splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
