"""What one system call costs with and without gotrace: the proof where a whole build drowns it in noise."""

from __future__ import annotations

import subprocess
from pathlib import Path

from bench.stats import Estimate, estimate
from bench.workloads import BARE, TRACED, Bench, variants

CALLS = {"getppid": 1_000_000, "access": 50_000}
"""A call that succeeds, and one that fails with ENOENT; few of the latter, because every one of them is an event."""


def per_call(bench: Bench, rounds: int) -> dict[str, dict[str, Estimate]]:
    """Call to variant to nanoseconds, bare and traced alternating."""
    program = bench.scratch / "percall"
    source = Path(__file__).with_name("percall.c")
    subprocess.run(["gcc", "-O2", "-o", str(program), str(source)], check=True)
    makers = {name: make for name, make in variants(bench).items() if name in {BARE, TRACED}}
    measured: dict[str, dict[str, list[float]]] = {call: {name: [] for name in makers} for call in CALLS}
    for _ in range(rounds):
        for call, count in CALLS.items():
            for name, make in makers.items():
                done = subprocess.run(
                    make([str(program), call, str(count)]),
                    cwd=bench.scratch,
                    env=bench.env,
                    capture_output=True,
                    text=True,
                    check=True,
                )
                measured[call][name].append(float(done.stdout))
    return {call: {name: estimate(values) for name, values in of.items()} for call, of in measured.items()}
