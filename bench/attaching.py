"""The tracers that are attached to a running process, each as a context: they watch as long as it lasts."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

from bench.workloads import GOTRACE

EBPF, PTRACE = "gotrace attach --backend ebpf", "gotrace attach --backend ptrace"
ALL_CALLS = f"{PTRACE} --syscalls"
NAIVE, EMPTY = "BPF that counts every failure in a hash", "BPF that does nothing"
STRACE, STRACE_SIGNALS = "strace -f -Z -p", "strace -f -e trace=none -p"

Tracer = Callable[[int], AbstractContextManager[list[float]]]
"""Attached to a process as long as it lasts; the list has the seconds that took, and those of its end."""


def attached(*options: str) -> Tracer:
    """gotrace, with these options."""

    @contextmanager
    def watched(pid: int) -> Iterator[list[float]]:
        began = time.monotonic()
        with _until_interrupted([GOTRACE, "attach", *options, str(pid)], "attached to process") as took:
            took.append(time.monotonic() - began)
            yield took

    return watched


def _other(said: str, *line: str) -> Tracer:
    """A tracer that says so when it is attached; the process comes last in its command line."""

    @contextmanager
    def watched(pid: int) -> Iterator[list[float]]:
        with _until_interrupted([*line, str(pid)], said):
            yield []

    return watched


def _strace(*options: str) -> Tracer:
    # It says "Process 7 attached with 5 threads".
    return _other("attached", "strace", "-f", *options, "-o", "/dev/null", "-p")


def _bpf(program: str) -> Tracer:
    """One of naive.py."""
    return _other("attached to process", "/usr/bin/python3", str(Path(__file__).with_name("naive.py")), program)


@contextmanager
def _until_interrupted(line: list[str], attached: str) -> Iterator[list[float]]:
    """Runs from when its first line on stderr says so until ^C, whose seconds are put into the list."""
    with subprocess.Popen(line, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        if attached not in said:
            raise SystemExit(f"bench: {said}{process.stderr.read()}")
        took: list[float] = []
        yield took
        told = time.monotonic()
        process.send_signal(signal.SIGINT)
        process.communicate()
        took.append(time.monotonic() - told)


OF_BACKENDS: Final = {EBPF: ("--backend", "ebpf"), PTRACE: ("--backend", "ptrace")}
"""Options of gotrace."""
TRACERS: Final[dict[str, Tracer]] = {
    EBPF: attached(*OF_BACKENDS[EBPF]),
    PTRACE: attached(*OF_BACKENDS[PTRACE]),
    ALL_CALLS: attached(*OF_BACKENDS[PTRACE], "--syscalls"),
    NAIVE: _bpf("hash"),
    EMPTY: _bpf("empty"),
    STRACE: _strace("-Z"),
    STRACE_SIGNALS: _strace("-e", "trace=none"),
}
