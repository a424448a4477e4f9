"""From gotrace's start to the command's first instruction, with and without cached programs."""

from __future__ import annotations

import shutil
from pathlib import Path

from bench.builds import own_account
from bench.memory import Own, measure
from bench.process import run
from bench.stats import Estimate, estimate
from bench.workloads import GOTRACE, TRACED, Bench, variants


def forget_programs(cache: Path) -> None:
    """Remove the cached programs, so that the next start is a cold one."""
    shutil.rmtree(cache, ignore_errors=True)


def to_first_instruction(bench: Bench, rounds: int, *, cold_cache: Path | None) -> Estimate:
    """Seconds; cold where the folder of cached programs is given."""
    seconds = []
    for _ in range(rounds + 1):
        if cold_cache is not None:
            forget_programs(cold_cache)
        cost = run(variants(bench)[TRACED](["true"]), bench.program, bench.env, bench.log)
        seconds.append(own_account(bench.recording, cost).startup_s)
    return estimate(seconds[1:])


def own_use(bench: Bench, command: list[str], *, cold_cache: Path | None) -> Own:
    """Peak memory and CPU of gotrace's own processes while it traces `command`."""
    if cold_cache is not None:
        forget_programs(cold_cache)
    return measure([GOTRACE, "build", "-q", "--", *command], bench)
