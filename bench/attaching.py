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

ALONE = "not attached"
EBPF, PTRACE = "gotrace attach --backend ebpf", "gotrace attach --backend ptrace"
ALL_CALLS = f"{PTRACE} --syscalls"
NAIVE = "BPF that counts every failure in a hash"
STRACE, STRACE_SIGNALS = "strace -f -Z -p", "strace -f -e trace=none -p"

Tracer = Callable[[int], AbstractContextManager[list[float]]]
"""Attached to a process as long as it lasts; the list has the seconds that took, and those of its end."""


@contextmanager
def _alone(_pid: int) -> Iterator[list[float]]:
    yield []


def _attached(*options: str) -> Tracer:
    @contextmanager
    def attached(pid: int) -> Iterator[list[float]]:
        took: list[float] = []
        began = time.monotonic()
        line = [GOTRACE, "attach", *options, str(pid)]
        with subprocess.Popen(line, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            said = process.stderr.readline()
            if "attached to process" not in said:
                raise SystemExit(f"bench: {said}{process.stderr.read()}")
            took.append(time.monotonic() - began)
            yield took
            told = time.monotonic()
            process.send_signal(signal.SIGINT)
            process.stderr.read()
            process.wait()
            took.append(time.monotonic() - told)

    return attached


def _strace(*options: str) -> Tracer:
    @contextmanager
    def attached(pid: int) -> Iterator[list[float]]:
        line = ["strace", "-f", *options, "-o", "/dev/null", "-p", str(pid)]
        with subprocess.Popen(line, stderr=subprocess.PIPE) as process:
            assert process.stderr is not None
            process.stderr.readline()  # "Process 7 attached with 5 threads"
            yield []
            process.send_signal(signal.SIGINT)
            process.communicate()

    return attached


@contextmanager
def _naive(pid: int) -> Iterator[list[float]]:
    line = ["/usr/bin/python3", str(Path(__file__).with_name("naive.py")), str(pid)]
    with subprocess.Popen(line, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        if "attached to process" not in said:
            raise SystemExit(f"bench: {said}{process.stderr.read()}")
        yield []
        process.send_signal(signal.SIGINT)
        process.communicate()


TRACERS: Final[dict[str, Tracer]] = {
    ALONE: _alone,
    EBPF: _attached("--backend", "ebpf"),
    PTRACE: _attached("--backend", "ptrace"),
    ALL_CALLS: _attached("--backend", "ptrace", "--syscalls"),
    NAIVE: _naive,
    STRACE: _strace("-Z"),
    STRACE_SIGNALS: _strace("-e", "trace=none"),
}
