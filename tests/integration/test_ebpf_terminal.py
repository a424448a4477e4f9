"""Writes that reach a terminal are counted, and only those: a progress line depends on it."""

from __future__ import annotations

import os
import pty
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from gotrace.sources.base import Target
from gotrace.sources.ebpf.source import EbpfSource
from tests.integration.observing import by_sudo

ROOT = Path(__file__).resolve().parents[2]


def writes_of(script: str, *, stdout: int | None = None, stderr: int | None = None) -> int:
    """How many terminal writes the source counts for a Python script with these descriptors."""
    with EbpfSource().open(Target(secrets.randbits(63)), sudo=by_sudo()) as capture:
        capture.attach()
        subprocess.run(
            [sys.executable, "-S", "-c", script],
            check=True,
            preexec_fn=capture.child_hook,
            stdout=stdout,
            stderr=stderr,
        )
        capture.stop()
        return capture.terminal_writes()


@pytest.mark.parametrize(
    ("script", "count"),
    [
        ("import os; os.write(1, b'x'); os.write(2, b'y'); os.writev(2, [b'a', b'b'])", 3),
        ("import os; os.write(1, b''); os.write(2, b'')", 0),
        ("import os; os.write(os.open('/dev/null', 1), b'x')", 0),
    ],
)
def test_on_a_terminal(script: str, count: int) -> None:
    leader, follower = pty.openpty()
    try:
        assert writes_of(script, stdout=follower, stderr=follower) == count
    finally:
        os.close(leader)
        os.close(follower)


def test_elsewhere() -> None:
    script = "import os; os.write(1, b'x'); os.write(2, b'y')"
    assert writes_of(script, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) == 0
