"""Kinds of stops, by the wait status that ptrace(2) gives each."""

from __future__ import annotations

import pytest

from bench.counting import KINDS, kind_of

SIGTRAP, SIGURG = 5, 23


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (7 << 16 | SIGTRAP << 8 | 0x7F, "calls begun"),
        ((SIGTRAP | 0x80) << 8 | 0x7F, "calls returned"),
        (3 << 16 | SIGTRAP << 8 | 0x7F, "threads and processes born"),
        (4 << 16 | SIGTRAP << 8 | 0x7F, "execs"),
        (128 << 16 | SIGTRAP << 8 | 0x7F, "stopped or new threads"),
        (SIGURG << 8 | 0x7F, "signals"),
        (1 << 8, "ends"),
        (9, "ends"),
    ],
)
def test_kind(status: int, kind: str) -> None:
    assert KINDS[kind_of(status)] == kind
