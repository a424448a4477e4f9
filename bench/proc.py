"""What /proc and the clocks of processes say; a process that is gone has no children, no image and no CPU."""

from __future__ import annotations

import os
import time
from pathlib import Path

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")
_CPUCLOCK_SCHED = 2


def text(path: Path) -> str:
    """A file of /proc; empty where its process is gone."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def children(pid: int) -> set[int]:
    """Its children, of all its threads."""
    try:
        lists = [text(thread / "children") for thread in (PROC / f"{pid}/task").iterdir()]
    except OSError:
        return set()
    return {int(child) for child in " ".join(lists).split()}


def image(pid: int) -> str:
    """What it runs; "python" where it is gone, or not yet there."""
    try:
        return str((PROC / f"{pid}/exe").readlink())
    except OSError:
        return "python"


def command_of(gotrace: int) -> int | None:
    """The command that gotrace runs: it waits behind its gate as a child with gotrace's image, until it is let go."""
    return next((pid for pid in children(gotrace) if "python" not in image(pid)), None)


def state(pid: int) -> str:
    """Its state in one letter (proc(5)); Z where it is gone."""
    return (_stat(pid) or ["Z"])[0]


def ticks(pid: int) -> int:
    """CPU of a process itself, in ticks."""
    fields = _stat(pid)
    return int(fields[11]) + int(fields[12]) if fields else 0


def reaped_s(pid: int) -> float:
    """CPU seconds of all children that it has waited for, and of theirs."""
    fields = _stat(pid)
    return (int(fields[13]) + int(fields[14])) / TICKS if fields else 0.0


def own_s(pid: int) -> float:
    """CPU seconds of a process itself, even of one that waits to be reaped (clock_getcpuclockid(3))."""
    try:
        return time.clock_gettime_ns(~pid << 3 | _CPUCLOCK_SCHED) / 1e9
    except OSError:
        return 0.0


def _stat(pid: int) -> list[str]:
    return text(PROC / f"{pid}/stat").rpartition(")")[2].split()
