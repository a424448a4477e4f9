"""In which order scenarios begin where several run at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

_T = TypeVar("_T")


def spread(jobs: Iterable[_T], alone: Callable[[_T], bool]) -> list[_T]:
    """The same jobs, those for which `alone` holds as far from each other as can be; else each after the one before it.

    For jobs that wait for each other when they run at a time: side by side they would keep all others waiting too.
    """
    groups: tuple[list[_T], list[_T]] = ([], [])
    for job in jobs:
        groups[alone(job)].append(job)
    placed = [((at + 0.5) / len(group), job) for group in groups for at, job in enumerate(group)]
    return [job for _, job in sorted(placed, key=lambda one: one[0])]
