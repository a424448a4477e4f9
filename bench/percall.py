"""What one system call costs with and without a tracer: the proof where a whole build drowns it in noise."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.rounds import in_rounds
from bench.stats import Estimate, estimate
from bench.tracers import Tracer
from bench.workloads import BARE, TRACED, Bench, variants

CALLS = {"getppid": 1_000_000, "access": 50_000}
"""A call that succeeds, and one that fails with ENOENT; few of the latter, because every one of them is an event."""
STOPPED_CALLS = {"getppid": 1_000_000, "access-ok": 20_000, "access": 20_000}
"""For tracers that stop the process: a call that is not observed, one that is and succeeds, one that fails."""

Costs = dict[str, dict[str, Estimate]]
"""Call to variant to nanoseconds."""


def per_call(bench: Bench, rounds: int) -> Costs:
    """Bare and under gotrace by eBPF, alternating."""
    makers = variants(bench)
    return measure(bench, {name: Tracer(makers[name]) for name in (BARE, TRACED)}, CALLS, rounds)


def measure(bench: Bench, found: Mapping[str, Tracer], calls: Mapping[str, int], rounds: int) -> Costs:
    """Each call so many times under each tracer, alternating."""
    program = bench.scratch / "percall"
    source = Path(__file__).with_name("percall.c")
    subprocess.run(["gcc", "-O2", "-o", str(program), str(source)], check=True)
    measured: dict[str, dict[str, list[float]]] = {call: {name: [] for name in found} for call in calls}
    for _, name in in_rounds([*found], rounds, []):
        tracer = found[name]
        for call, count in calls.items():
            line = tracer.line([str(program), call, str(count)])
            measured[call][name].append(_nanoseconds(bench, line, tracer.env))
    return {call: {name: estimate(values) for name, values in of.items()} for call, of in measured.items()}


def _nanoseconds(bench: Bench, line: Sequence[str], env: Mapping[str, str]) -> float:
    done = subprocess.run(line, cwd=bench.scratch, env={**bench.env, **env}, capture_output=True, text=True, check=True)
    return float(done.stdout)
