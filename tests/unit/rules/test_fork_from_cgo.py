"""fork-from-cgo: a copy that executes nothing and does not end by itself."""

from __future__ import annotations

import pytest

from gotrace.events.model import Exit, Fork, Library
from tests.unit.rules.programs import PID, Program
from tests.unit.rules.recorded import finding, findings

CHILD = 8
SECOND = 1_000_000_000


def forks(after_ns: int, *, status: int | None = None, signal: int | None = 9, cgo: str = "1") -> Program:
    program = Program()
    program.events.append(Library(ts_ns=1500, seq=2, pid=PID, tid=PID, path="/srv/app", base=0x400000, size=0x10000))
    program.fact("binary", "/srv/app", go={"version": "go1.26.6", "path": "app", "settings": {"CGO_ENABLED": cgo}})
    program.events += [
        Fork(ts_ns=2000, seq=3, pid=PID, tid=PID, child_pid=CHILD),
        Exit(ts_ns=2000 + after_ns, seq=4, pid=CHILD, tid=CHILD, status=status, signal=signal),
    ]
    program._now += after_ns + 2000
    return program


def test_it_hung_until_it_was_killed() -> None:
    found = forks(3 * SECOND).finding("fork-from-cgo")
    assert found.message.endswith(
        "has one of Go's threads only, executed nothing, and was still there until SIGKILL ended it after 3.0 s."
    )


@pytest.mark.parametrize(
    ("after_ns", "status", "signal", "cgo"),
    [(1000, None, 9, "1"), (3 * SECOND, 0, None, "1"), (3 * SECOND, None, 9, "0")],
    ids=["killed at once", "ended by itself", "no cgo"],
)
def test_other_children_are_fine(after_ns: int, status: int | None, signal: int | None, cgo: str) -> None:
    assert forks(after_ns, status=status, signal=signal, cgo=cgo).findings() == []


def test_a_real_one() -> None:
    assert "forked the process; the copy, pid" in finding("fork-from-cgo").message
    assert findings("fork-from-cgo.fixed") == []
