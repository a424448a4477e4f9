"""A program whose calls fail as fast as they can: some are told, the others counted, and not one is missing."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gotrace.events.model import SyscallError
from tests.integration.running import follow

PROGRAMS = Path(__file__).parent / "programs"


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_told_counted_and_lost_are_all_that_were_made(tmp_path: Path, tool: Callable[[str], str], threads: int) -> None:
    storm, each = tmp_path / "storm", 200_003
    subprocess.run([tool("gcc"), "-O1", "-pthread", "-o", storm, PROGRAMS / "storm.c"], check=True)

    seen = follow([str(storm), str(threads), str(each)])

    failed = [event for event in seen.events if isinstance(event, SyscallError) and event.paths == ("/nowhere/at/all",)]
    lost = sum(one.count for one in seen.lost if one.what == "syscall_error")
    assert sum(event.repeat for event in failed) + lost == threads * each
    assert len(failed) < threads * each / 10
    [counted] = [event for event in failed if event.repeat > 1]
    assert (counted.syscall, counted.errno, counted.pid) == ("access", 2, seen.pid)
    assert counted.stack == failed[0].stack
