"""How long reading takes: a recording of 100,000 events loaded, diagnosed and rendered, and `gotrace --help`."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

import zstandard

import gotrace
from bench.process import run
from bench.stats import Estimate, estimate
from bench.workloads import GOTRACE, Bench
from gotrace.reports.terminal import TerminalReport

EVENTS = 100_000
FAILING = Path(__file__).parents[1] / "tests/recordings/missing-header.gotrace.zst"


def grown(recording: Path, events: int, path: Path) -> None:
    """Save a recording of exactly `events` events: a real one, its failing calls said again until there are enough."""
    header, *lines = recording.read_bytes().splitlines(keepends=True)
    calls = [line for line in lines if b'"kind":"syscall_error"' in line.replace(b" ", b"")]
    others = [line for line in lines if b'"kind":"syscall_error"' not in line.replace(b" ", b"")]
    wanted = events - len(others)
    repeated = (calls * (wanted // len(calls) + 1))[:wanted]
    path.write_bytes(header + b"".join([*others, *repeated]))


def library(recording: Path, rounds: int) -> Estimate:
    """Seconds of load, diagnose and render to a terminal's text, in one process, modules already imported."""
    seconds = []
    for _ in range(rounds + 1):
        began = perf_counter()
        trace = gotrace.load(recording)
        TerminalReport(width=100, colour=True).render(trace, gotrace.diagnose(trace))
        seconds.append(perf_counter() - began)
    return estimate(seconds[1:])


def rules(scratch: Path, rounds: int) -> Estimate:
    """Seconds that all rules take on a failing build with so many failing calls: of a healthy one they ask little."""
    small, large = scratch / "failing.gotrace", scratch / "failing-large.gotrace"
    small.write_bytes(b"".join(zstandard.ZstdDecompressor().read_to_iter(FAILING.read_bytes())))
    grown(small, EVENTS, large)
    trace = gotrace.load(large)
    return estimate([sum(gotrace.diagnose(trace).timings.values()) for _ in range(rounds + 1)][1:])


def command_line(bench: Bench, arguments: list[str], rounds: int) -> Estimate:
    """Seconds of a whole gotrace command, imports included."""
    costs = [run([GOTRACE, *arguments], bench.scratch, bench.env, bench.log) for _ in range(rounds + 1)]
    return estimate([cost.wall_s for cost in costs[1:]])
