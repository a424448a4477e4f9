"""all-threads-syscall: only of programs with cgo that have the function for itself, and failed."""

from __future__ import annotations

import pytest

from gotrace.events.model import Library
from gotrace.rules.finding import Severity
from tests.unit.rules.programs import PID, Program
from tests.unit.rules.recorded import finding, findings

PART = "calls on all threads"


def fails(parts: tuple[str, ...], cgo: str) -> Program:
    program = Program(parts=parts)
    program.events.append(Library(ts_ns=1500, seq=2, pid=PID, tid=PID, path="/srv/app", base=0x400000, size=0x10000))
    program.fact("binary", "/srv/app", go={"version": "go1.26.6", "path": "app", "settings": {"CGO_ENABLED": cgo}})
    return program


@pytest.mark.parametrize(
    ("parts", "cgo", "expected"),
    [((PART,), "1", ["all-threads-syscall"]), ((PART,), "0", []), ((), "1", [])],
)
def test_both_have_to_be(parts: tuple[str, ...], cgo: str, expected: list[str]) -> None:
    assert [found.name for found in fails(parts, cgo).findings()] == expected


def test_a_program_that_ends_well_is_fine() -> None:
    assert fails((PART,), "1").findings(status=0) == []


def test_a_real_one_is_a_warning() -> None:
    assert finding("all-threads-syscall").severity is Severity.WARNING
    assert findings("all-threads-syscall.fixed") == []
