"""Medians and their intervals. Ratios are paired: both runs of a pair belong to the same round."""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence
from typing import NamedTuple

RESAMPLES = 10_000


class Estimate(NamedTuple):
    """A median with its 95 % interval, and how many rounds it stands on."""

    median: float
    low: float
    high: float
    rounds: int

    def __format__(self, spec: str) -> str:
        """The median with the interval behind it: "1.02 [1.00, 1.05]"."""
        return f"{self.median:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"

    def meets(self, bar: float) -> bool:
        """Whether the interval includes or beats an upper bar."""
        return self.low <= bar


def estimate(values: Sequence[float]) -> Estimate:
    """Median of `values`; the interval is the percentile bootstrap of that median (fixed seed, so it is repeatable)."""
    chance = random.Random(2026)
    medians = sorted(statistics.median(chance.choices(values, k=len(values))) for _ in range(RESAMPLES))
    return Estimate(
        statistics.median(values), medians[int(RESAMPLES * 0.025)], medians[int(RESAMPLES * 0.975)], len(values)
    )


def paired_ratios(values: Sequence[float], base: Sequence[float]) -> Estimate:
    """Median of each value divided by the base of the same round."""
    return estimate([value / of_round for value, of_round in zip(values, base, strict=True)])
