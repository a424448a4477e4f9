"""How often a build stops under gotrace: its loop in Python, with a counter in it.

python -m bench.counting FILE GOTRACE-ARGUMENTS...: runs gotrace and leaves the numbers in FILE.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
from pathlib import Path

from bench.process import run
from bench.tracers import Task
from bench.workloads import ROOT, Bench
from gotrace.sources.ptrace import abi
from gotrace.sources.ptrace.stops import PythonStops, Stop

KINDS = ("calls begun", "calls returned", "threads and processes born", "execs", "stopped or new threads", "signals",
         "ends")  # fmt: skip
_NUMBERS = struct.Struct(f"<{len(KINDS)}Q")
_EVENTS = {abi.PTRACE_EVENT_SECCOMP: 0, 1: 2, 2: 2, 3: 2, 4: 3, abi.PTRACE_EVENT_STOP: 4}
"""PTRACE_EVENT_FORK, VFORK, CLONE, EXEC are 1 to 4."""


def count_stops(bench: Bench, task: Task) -> dict[str, int]:
    """Kind of stop to its number, in one build."""
    numbers = bench.scratch / "stops"
    numbers.write_bytes(bytes(_NUMBERS.size))
    env = {**bench.env, **task.prepare(bench, -1), "PYTHONPATH": str(ROOT), "GOTRACE_PTRACE_LOOP": "python"}
    options = ["build", "-q", "--backend", "ptrace", "--", *task.command]
    run([sys.executable, "-m", "bench.counting", str(numbers), *options], bench.program, env, bench.log)
    return dict(zip(KINDS, _NUMBERS.unpack(numbers.read_bytes()), strict=True))


def kind_of(status: int) -> int:
    """Position in `KINDS` of a wait status."""
    if not os.WIFSTOPPED(status):
        return 6
    if os.WSTOPSIG(status) == abi.SYSCALL_STOP:
        return 1
    return _EVENTS.get(status >> 16, 5)


def _count_into(path: Path) -> None:
    """All processes that come of this one, and so the tracer, count into the file."""
    with path.open("r+b") as stream:
        numbers = memoryview(mmap.mmap(stream.fileno(), _NUMBERS.size)).cast("Q")
    look = PythonStops.look_at

    def counting(self: PythonStops, tid: int, status: int) -> Stop | None:
        numbers[kind_of(status)] += 1
        return look(self, tid, status)

    PythonStops.look_at = counting  # type: ignore[method-assign]


def main(arguments: list[str]) -> None:
    """Count, and be gotrace."""
    _count_into(Path(arguments[0]))
    sys.argv = ["gotrace", *arguments[1:]]
    from gotrace.cli.app import main as gotrace

    gotrace()


if __name__ == "__main__":
    main(sys.argv[1:])
