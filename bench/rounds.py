"""The order of alternating runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def in_rounds(names: Sequence[str], rounds: int, warm_up: Sequence[str] | None = None) -> Iterator[tuple[int, str]]:
    """(round, name), counted from 0; each round starts with another name.

    Round -1 warms caches (of files, of Go, of gotrace's programs) and is not to be counted; `warm_up`: only by these.
    """
    for name in names if warm_up is None else warm_up:
        yield -1, name
    for number in range(rounds):
        shift = number % len(names)
        for name in [*names[shift:], *names[:shift]]:
            yield number, name
