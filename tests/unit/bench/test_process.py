"""What a run costs includes what it leaves behind, detached, for others to reap."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bench.process import CommandFailedError, run

SECONDS = 0.3

DETACHED = f"""
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while time.process_time() < {SECONDS}: pass
    os._exit(0)
os.wait()
"""

BUSY_CHILD = f"""
import os, time
if os.fork() == 0:
    while time.process_time() < {SECONDS}: pass
    os._exit(0)
os.wait()
"""


def cost_of(program: str, folder: Path) -> float:
    return run([sys.executable, "-c", program], folder, os.environ, folder / "log").cpu_s


@pytest.mark.parametrize("program", [DETACHED, BUSY_CHILD], ids=["detached", "waited for"])
def test_cpu_of_all_that_was_started_is_counted(program: str, tmp_path: Path) -> None:
    assert cost_of(program, tmp_path) >= SECONDS


def test_nothing_is_counted_twice(tmp_path: Path) -> None:
    before = cost_of("", tmp_path)
    assert cost_of(DETACHED, tmp_path) < 2 * SECONDS + before


def test_orphans_are_not_left_to_the_next_run(tmp_path: Path) -> None:
    cost_of(DETACHED, tmp_path)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_a_command_that_fails_is_an_error_with_its_words(tmp_path: Path) -> None:
    with pytest.raises(CommandFailedError, match=r"(?s)exit 3.*no such luck"):
        run(["sh", "-c", "echo no such luck; exit 3"], tmp_path, os.environ, tmp_path / "log")
