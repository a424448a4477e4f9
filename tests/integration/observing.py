"""Runs a command under a source directly, without the capture layer: raw events and counted losses."""

from __future__ import annotations

import os
import secrets
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import pytest

from gotrace.events.model import Event, Exec, Exit, Fork, Lost, Output, SyscallError
from gotrace.sources.base import Batch, Source, Target
from gotrace.sources.ebpf.source import EbpfSource


@dataclass
class Observed:
    """What a source saw of one run."""

    pid: int
    wait_status: int
    events: list[Event]
    lost: list[Lost] = field(default_factory=list)
    noise: dict[str, int] = field(default_factory=dict)

    def execs(self, *, failed: bool = False) -> list[Exec]:
        return [e for e in self.events if isinstance(e, Exec) and bool(e.error) is failed]

    def errors(self, syscall: str) -> list[SyscallError]:
        return [e for e in self.events if isinstance(e, SyscallError) and e.syscall == syscall]

    def exits(self) -> list[Exit]:
        return [e for e in self.events if isinstance(e, Exit)]

    def forks(self) -> list[Fork]:
        return [e for e in self.events if isinstance(e, Fork)]

    def output(self, pid: int) -> str:
        return "".join(e.text for e in self.events if isinstance(e, Output) and e.pid == pid)


@cache
def by_sudo() -> bool:
    """Whether eBPF takes sudo here; skips where that asks for a password."""
    if os.geteuid() == 0:
        return False
    if subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("not root: eBPF needs that, or sudo without a password")
    return True


def by_whom(backend: str) -> tuple[str, ...]:
    """The options with which gotrace may trace here by that backend."""
    return ("--sudo",) if backend != "ptrace" and by_sudo() else ()


def observe(argv: Sequence[str], *, env: dict[str, str] | None = None, source: Source | None = None, sudo: bool = False,
            period: float = 0.02, target: Target | None = None) -> Observed:  # fmt: skip
    """Run `argv` (argv[0] is a path) to its end; events in order of time."""
    target = target or Target(secrets.randbits(63))
    source = source or EbpfSource()
    sudo = sudo or (isinstance(source, EbpfSource) and by_sudo())
    with source.open(target, sudo=sudo) as capture:
        capture.attach()
        gate, opener = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(opener)
            os.read(gate, 1)
            capture.child_hook()
            try:
                os.execve(argv[0], list(argv), os.environ if env is None else env)
            finally:
                os._exit(127)
        os.close(gate)
        os.write(opener, b"x")
        os.close(opener)
        events: list[Event] = []
        spooled: list[Batch] = []
        while True:
            ended, status = os.waitpid(child, os.WNOHANG)
            for batch in capture.batches():
                if batch.live:
                    events += capture.decode(batch)
                else:
                    spooled.append(batch)
            capture.gone()  # as the capture layer does: a source learns from this when its collector went
            if ended:
                break
            time.sleep(period)
        lost, noise = capture.stop()
        for batch in [*spooled, *capture.batches()]:
            events += capture.decode(batch)
    return Observed(child, status, sorted(events, key=lambda event: event.ts_ns), lost, noise)
