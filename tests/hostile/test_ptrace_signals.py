"""Signals and stops of traced programs: each arrives once, in its order and as it was sent; nothing stays stopped."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hostile.watched import SOURCES, assert_harmless, both, failures

pytestmark = pytest.mark.usefixtures("loop")

Hostile = Callable[[str], str]


def test_a_hundred_thousand_queued_signals(hostile: Hostile) -> None:
    """None is lost, each has its value and its sender, and they keep their order."""
    run = both(hostile("signals"), "storm", "100000")
    assert_harmless(run)
    assert run.traced.out == "arrived 100000, wrong 0\nexit 7\n"


def test_faults_traps_and_a_stack_of_their_own(hostile: Hostile) -> None:
    run = both(hostile("signals"), "faults")
    assert_harmless(run)
    assert run.traced.out.count("on its own stack: 1\n") == 3
    assert run.traced.wait_status & 0x7F == 5, "the last SIGTRAP has no handler"
    assert run.seen.exits()[-1].signal == 5


def test_an_alarm_every_half_millisecond(hostile: Hostile) -> None:
    run = both(hostile("signals"), "alarms")
    assert_harmless(run)
    assert run.traced.out == "other results 0\n"
    assert len(failures(run.seen, "/nowhere/of-alarms")) > 0


def test_calls_that_handlers_interrupt(hostile: Hostile, tmp_path: Path) -> None:
    """EINTR where the handler has no SA_RESTART, and never where it has; also in a call that stops."""
    run = both(hostile("signals"), "interrupted", str(tmp_path / "fifo"))
    assert_harmless(run)
    assert run.traced.out == (
        "read: -1, Interrupted system call\nread: begun anew, done\n"
        "open: -1, Interrupted system call\nopen: begun anew, done\n"
    )
    assert failures(run.seen, str(tmp_path / "fifo")) == [], "an interrupted call is no failure"


def test_stopped_and_continued_a_child_looks_the_same_to_its_parent(hostile: Hostile, tmp_path: Path) -> None:
    """SIGCHLD, waitid and waitpid of 97 stops and continuations; a child of four threads, and one in an open."""
    run = both(hostile("job_control"), str(tmp_path / "fifo"))
    assert_harmless(run)
    assert run.traced.out.count("waitpid: stopped") == 49
    assert run.traced.out.count("waitpid: continued") == 48
    assert "runs on" not in run.traced.out
    assert "nothing" not in run.traced.out
    assert run.traced.out.endswith("exit 7, signal 0\n")


def test_a_go_program_whose_runtime_interrupts_it_all_the_time(tmp_path: Path) -> None:
    """Go preempts goroutines by SIGURG; 64 of them look for files, and start programs meanwhile."""
    program, go = tmp_path / "goroutines", shutil.which("go")
    if go is None:
        pytest.skip("go is not installed; `make setup` installs it")
    subprocess.run([go, "build", "-o", program, SOURCES / "goroutines.go"], check=True)
    run = both(str(program))
    assert_harmless(run)
    assert run.traced.out == "64 goroutines: 6400 files missing, 64 programs ended with 3, others 0\n"
    assert len(failures(run.seen, "/nowhere/of-a-goroutine")) == 6400
    assert len([one for one in run.seen.execs() if one.path == "/bin/sh"]) == 64
