"""Keeps an environment there while several programs run in it, one after another."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from gotrace.scenario.loader import ScenarioError
from gotrace.scenario.plan import Plan

_PATIENCE_S: Final = 60
_WAITS: Final = ("sh", "-c", "echo ready; exec cat")
"""Until nobody can write to its standard input any more: also the kernel closes that, of one who was killed."""


@contextmanager
def kept(kind: str, plan: Plan, env: Mapping[str, str]) -> Iterator[Plan]:
    """Set an environment with a mount namespace up; the plan by which root enters the same one again and again.

    It is gone when this ends, or this process does, and no program is left in it.

    Raises:
        ScenarioError: it cannot be set up.
    """
    keeper = subprocess.Popen(
        [*plan.program(), *_WAITS],
        cwd=plan.work, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert keeper.stdout is not None
        assert keeper.stderr is not None
        if keeper.stdout.readline() != b"ready\n":
            told = keeper.stderr.read().decode(errors="backslashreplace").strip().rpartition("\n")[2]
            raise ScenarioError(f"environment {kind}: {told.removeprefix('gotrace: ') or 'it ended at once'}")
        yield Plan(join=f"/proc/{keeper.pid}/ns/mnt").for_work(Path(plan.work))
    finally:
        _end(keeper)


def _end(keeper: subprocess.Popen[bytes]) -> None:
    assert keeper.stdin is not None
    keeper.stdin.close()
    try:
        keeper.wait(_PATIENCE_S)
    except BaseException:
        keeper.kill()
        keeper.wait()
        raise
    finally:
        for stream in (keeper.stdout, keeper.stderr):
            if stream is not None:
                stream.close()
