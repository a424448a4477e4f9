"""How long reading takes: a recording of 100,000 events loaded, diagnosed and rendered, and `gotrace --help`."""

from __future__ import annotations

from itertools import cycle, islice
from pathlib import Path
from time import perf_counter

import gotrace
from bench.process import run
from bench.stats import Estimate, estimate
from bench.workloads import GOTRACE, Bench
from gotrace.events.model import SyscallError
from gotrace.events.recording import read_recording, write_recording
from gotrace.reports.terminal import TerminalReport

EVENTS = 100_000
_RECORDINGS = Path(__file__).parents[1] / "tests/recordings"
FAILING = {"build": "missing-header", "run": "shared-library-not-found"}


def grown(recording: Path, events: int, path: Path) -> None:
    """Save a recording of exactly `events` events: a real one, its failing calls said again until there are enough."""
    read = read_recording(recording)
    calls = [event for event in read.events if isinstance(event, SyscallError)]
    others = [event for event in read.events if not isinstance(event, SyscallError)]
    assert calls, f"{recording}: nothing failed"
    write_recording(path, read.header, [*others, *islice(cycle(calls), events - len(others))])


def library(recording: Path, rounds: int) -> Estimate:
    """Seconds of load, diagnose and render to a terminal's text, in one process, modules already imported."""
    seconds = []
    for _ in range(rounds + 1):
        began = perf_counter()
        trace = gotrace.load(recording)
        TerminalReport(width=100, colour=True).render(trace, gotrace.diagnose(trace))
        seconds.append(perf_counter() - began)
    return estimate(seconds[1:])


def rules(scratch: Path, failing: str, rounds: int) -> Estimate:
    """Seconds that all rules take on a failure with so many failing calls: where nothing failed they ask little."""
    large = scratch / "failing-large.gotrace"
    grown(_RECORDINGS / f"{FAILING[failing]}.gotrace.zst", EVENTS, large)
    trace = gotrace.load(large)
    return estimate([sum(gotrace.diagnose(trace).timings.values()) for _ in range(rounds + 1)][1:])


def command_line(bench: Bench, arguments: list[str], rounds: int) -> Estimate:
    """Seconds of a whole gotrace command, imports included."""
    costs = [run([GOTRACE, *arguments], bench.scratch, bench.env, bench.log) for _ in range(rounds + 1)]
    return estimate([cost.wall_s for cost in costs[1:]])
