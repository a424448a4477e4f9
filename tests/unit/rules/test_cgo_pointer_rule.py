"""cgo-pointer-rule: the three ways in which Go's runtime says it."""

from __future__ import annotations

import pytest

from tests.unit.rules.programs import Program
from tests.unit.rules.recorded import finding, findings


@pytest.mark.parametrize(
    "said",
    [
        "panic: runtime error: cgo argument has Go pointer to Go pointer",
        "panic: runtime error: argument of cgo function has Go pointer to unpinned Go pointer",
        "panic: runtime error: cgo result is unpinned Go pointer or points to unpinned Go pointer",
        "fatal error: unpinned Go pointer stored into non-Go memory",
    ],
)
def test_each_way_of_saying_it(said: str) -> None:
    program = Program()
    program.says(said)
    (found,) = program.findings(status=2)
    assert found.name == "cgo-pointer-rule"


def test_another_panic_is_none() -> None:
    program = Program()
    program.says("panic: runtime error: index out of range [3] with length 3")
    assert program.findings(status=2) == []


def test_a_real_one() -> None:
    assert "Go pointer to unpinned Go pointer" in finding("cgo-pointer-rule").message
    assert findings("cgo-pointer-rule.fixed") == []
