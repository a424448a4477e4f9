"""What processes write to descriptor 2: every call that can, up to 64 KB of a process, and not one byte more."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from gotrace.events.model import Output
from tests.integration.observing import Observed, observe

LIMIT = 65536


def running(script: str, stderr: Path) -> Observed:
    """Under the source: a Python script whose stderr is a file."""
    code = f"import os; os.dup2(os.open({str(stderr)!r}, os.O_RDWR | os.O_CREAT, 0o600), 2); {script}"
    return observe([sys.executable, "-S", "-c", code])


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("os.write(2, b'plain')", "plain"),
        ("os.writev(2, [b'in ', b'', b'pieces'])", "in pieces"),
        ("os.pwrite(2, b'at a place', 7)", "at a place"),
        ("os.write(1, b''); os.write(3, b'') if 0 else None", ""),
        ("os.write(2, b'\\xff\\x1b[31m')", "\\xff\x1b[31m"),
    ],
)
def test_every_way_to_write_is_heard(tmp_path: Path, script: str, text: str) -> None:
    seen = running(script, tmp_path / "stderr")
    assert seen.output(seen.pid) == text
    assert seen.lost == []


@pytest.mark.parametrize("size", [4095, 4096, 20_000, LIMIT - 1, LIMIT])
def test_a_long_write_is_one_whole_text(tmp_path: Path, size: int) -> None:
    seen = running(f"os.write(2, b'x' * {size})", tmp_path / "stderr")
    outputs = [event for event in seen.events if isinstance(event, Output)]
    assert [(len(event.text), event.truncated) for event in outputs] == [(size, False)]
    assert seen.lost == []


@pytest.mark.parametrize("write", ["os.write(2, b'x' * 1000)", "os.writev(2, [b'x' * 500, b'x' * 500])"])
def test_the_first_64_kilobytes_of_a_process_are_kept(tmp_path: Path, write: str) -> None:
    seen = running(f"[{write} for i in range(100)]", tmp_path / "stderr")
    outputs = [event for event in seen.events if isinstance(event, Output)]
    assert sum(len(event.text) for event in outputs) == LIMIT
    assert [event.truncated for event in outputs].count(True) == 1
    assert outputs[-1].truncated
    assert (tmp_path / "stderr").stat().st_size == 100_000
    assert os.waitstatus_to_exitcode(seen.wait_status) == 0
