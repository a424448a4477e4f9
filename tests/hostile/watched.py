"""Runs hostile programs twice, bare and under ptrace: what they say and how they end has to be the same."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from gotrace.events.model import SyscallError
from gotrace.sources.base import Target
from gotrace.sources.ptrace.source import PtraceSource
from tests.integration.observing import Observed, observe

SOURCES = Path(__file__).parent / "programs"


class Ran(NamedTuple):
    """How a program ended (a status as of wait(2)), and what it wrote."""

    wait_status: int
    out: str
    err: str


class Both(NamedTuple):
    """The same program bare and traced, and what the tracer saw of it."""

    bare: Ran
    traced: Ran
    seen: Observed


def compiled(name: str, folder: Path) -> str:
    """Path of a program of programs/, compiled into a folder."""
    program = folder / name
    if not program.exists():
        subprocess.run(["gcc", "-O1", "-pthread", "-o", program, SOURCES / f"{name}.c"], check=True)
    return str(program)


def both(*argv: str, env: Mapping[str, str] | None = None, running: bool = False) -> Both:
    """Run it twice. argv[0] is a path; `running`: it is followed as a run, not as a build."""
    variables = dict(os.environ if env is None else env)
    with _written() as bare_texts:
        pid = os.posix_spawn(argv[0], argv, variables)
        status = os.waitpid(pid, 0)[1]
    bare = Ran(status, *bare_texts)
    with _written() as traced_texts:
        target = Target(secrets.randbits(63), running=running)
        seen = observe(argv, env=variables, source=PtraceSource(), target=target)
    return Both(bare, Ran(seen.wait_status, *traced_texts), seen)


@contextlib.contextmanager
def _written() -> Iterator[list[str]]:
    """What is written to stdout and stderr meanwhile; there are the two texts afterwards."""
    texts: list[str] = []
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        kept = os.dup(1), os.dup(2)
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        try:
            yield texts
        finally:
            for number, descriptor in enumerate(kept, 1):
                os.dup2(descriptor, number)
                os.close(descriptor)
            for file in (out, err):
                file.seek(0)
                texts.append(file.read().decode(errors="backslashreplace"))


def assert_harmless(run: Both) -> None:
    """Same end, same words; and each process that was born or began has one end."""
    assert run.traced == run.bare
    assert run.seen.lost == []
    assert_every_exit_is_told(run.seen)


def assert_every_exit_is_told(seen: Observed) -> None:
    """Whoever was born ends exactly once; nobody else ends or executes."""
    born = Counter([seen.pid, *(event.child_pid for event in seen.forks())])
    ended = Counter(event.pid for event in seen.exits())
    assert ended == born
    assert {event.pid for event in seen.events} <= set(born)


def failures(seen: Observed, path: str) -> list[SyscallError]:
    """The calls that failed for a path."""
    return [event for event in seen.events if isinstance(event, SyscallError) and path in event.paths]


def ends(seen: Observed) -> Counter[tuple[int | None, int | None]]:
    """How many processes ended with which exit status and signal."""
    return Counter((event.status, event.signal) for event in seen.exits())
