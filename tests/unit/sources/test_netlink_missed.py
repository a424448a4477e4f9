"""Messages that never arrived are found out by their numbers, for each CPU by itself."""

from __future__ import annotations

import errno

import pytest

from gotrace.sources.netlink.missed import Missed


@pytest.mark.parametrize(
    ("arrived", "missing"),
    [
        ([], 0),
        ([(0, 7), (0, 8), (0, 9)], 0),
        ([(0, 7), (1, 100), (0, 8), (1, 101)], 0),
        ([(0, 7), (0, 10), (1, 100), (1, 102)], 3),
        ([(0, 0xFFFFFFFE), (0, 0xFFFFFFFF), (0, 0), (0, 2)], 1),
        ([(0, 7), (0, 9), (0, 8), (0, 10)], 0),
        ([(0, 7), (0xFFFFFFFF, 3), (0xFFFFFFFF, 99), (0, 8)], 0),
    ],
    ids=["none", "in order", "two CPUs", "gaps", "numbers begin again", "overtaken", "answers of old kernels"],
)
def test_gaps_are_counted(arrived: list[tuple[int, int]], missing: int) -> None:
    missed = Missed()
    for cpu, seq in arrived:
        missed.count(cpu, seq)
    assert missed.total == missing


def test_an_overrun_without_a_gap_counts_as_one() -> None:
    missed = Missed()
    missed.count(0, 7)
    missed.told(OSError(errno.ENOBUFS, "No buffer space available"))
    assert missed.total == 1
    missed.count(0, 12)
    assert missed.total == 4


def test_another_error_is_no_loss() -> None:
    missed = Missed()
    with pytest.raises(OSError, match="Bad file descriptor"):
        missed.told(OSError(errno.EBADF, "Bad file descriptor"))
    assert missed.total == 0
