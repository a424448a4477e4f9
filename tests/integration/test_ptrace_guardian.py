"""Breakpoints in a process that must outlive its tracer are taken out by the guardian when that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gotrace.sources.ptrace.guardian import NAME, Guardian
from tests.integration.watching import nothing_stopped, status_of, wait_for

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(__file__).parent / "programs"


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("guardian") / "answers"
    subprocess.run(["gcc", "-O2", "-o", path, PROGRAMS / "answers.c"], check=True)
    return path


class Traced:
    """The program with breakpoints in it, and its tracer."""

    def __init__(self, program: Path, how: str) -> None:
        self.program = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.ask() == b"y"
        self.before = self.guardians()
        self.tracer = subprocess.Popen(
            [sys.executable, PROGRAMS / "plants.py", str(self.program.pid), how], cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert self.tracer.stdout is not None
        self._places = [int(word) for word in self.tracer.stdout.readline().split()]
        assert len(self._places) >= 5

    @staticmethod
    def guardians() -> set[int]:
        """All that live on this machine; others may test the same."""
        pids = {int(folder.name) for folder in Path("/proc").glob("[0-9]*")}
        return {pid for pid in pids if status_of(pid).get("Name") == NAME}

    def ask(self) -> bytes:
        """Have it call dlsym; its answer, empty where it is dead."""
        assert self.program.stdin is not None
        assert self.program.stdout is not None
        self.program.stdin.write(b"?")
        self.program.stdin.flush()
        return os.read(self.program.stdout.fileno(), 1)

    def breakpoints(self) -> int:
        """How many of those that were planted are there."""
        with open(f"/proc/{self.program.pid}/mem", "rb") as memory:  # noqa: PTH123
            return sum(os.pread(memory.fileno(), 1, place) == b"\xcc" for place in self._places)


@contextmanager
def traced(program: Path, how: str) -> Iterator[Traced]:
    it = Traced(program, how)
    try:
        yield it
    finally:
        for process in (it.tracer, it.program):
            process.kill()
            process.wait()
            for stream in filter(None, (process.stdin, process.stdout)):
                stream.close()


def test_the_program_lives_on_as_if_it_had_never_been_traced(answers: Path) -> None:
    with traced(answers, "guarded") as it:
        (guardian,) = it.guardians() - it.before
        assert it.breakpoints()
        it.tracer.kill()
        it.tracer.wait()
        wait_for(lambda: not status_of(guardian))
        assert not it.breakpoints()
        assert it.ask() == b"y"
        assert status_of(it.program.pid)["TracerPid"] == "0"
        assert nothing_stopped([it.program.pid])
        assert it.program.stdin is not None
        it.program.stdin.close()
        assert it.program.wait(60) == 0


def test_without_one_it_would_be_ended_by_the_next_call(answers: Path) -> None:
    """This is what the guardian is there for."""
    with traced(answers, "alone") as it:
        it.tracer.kill()
        it.tracer.wait()
        assert it.ask() == b""
        assert it.program.wait(60) == -signal.SIGTRAP


def test_no_signal_but_sigkill_ends_it(answers: Path) -> None:
    with traced(answers, "guarded") as it:
        (guardian,) = it.guardians() - it.before
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGQUIT):
            os.kill(guardian, number)
        it.tracer.kill()
        it.tracer.wait()
        wait_for(lambda: not status_of(guardian))
        assert not it.breakpoints()


def test_a_process_that_is_not_there_is_not_guarded() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    with pytest.raises(PermissionError):
        Guardian(gone.pid)
