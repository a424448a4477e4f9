"""Side by side: the same build under each tracer, alternating, in rounds of one run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench.process import Cost, run
from bench.rounds import in_rounds
from bench.stats import Estimate, estimate, paired_ratios
from bench.workloads import BARE, TRACED, WORKLOADS, Bench, variants
from gotrace.events.model import Event, Exec, Exit, Fact, Lost
from gotrace.events.recording import read_recording

Say = Callable[[str], None]


@dataclass
class Traced:
    """What one recording says about its own run, all in seconds but for the numbers of events."""

    startup_s: float
    """From gotrace's start to the command's first instruction."""
    command_s: float
    """From the command's first instruction to its exit."""
    report_s: float
    """From the command's exit to gotrace's."""
    events: int
    lost: int


@dataclass
class Comparison:
    """All rounds of one workload."""

    workload: str
    costs: dict[str, list[Cost]] = field(default_factory=dict)
    traced: list[Traced] = field(default_factory=list)

    def cpu(self, variant: str) -> Estimate:
        """CPU of a variant by that of the bare command."""
        return paired_ratios([c.cpu_s for c in self.costs[variant]], [c.cpu_s for c in self.costs[BARE]])

    def wall(self, variant: str) -> Estimate:
        """Wall time of a variant, until it is gone, by that of the bare command."""
        return paired_ratios([c.wall_s for c in self.costs[variant]], [c.wall_s for c in self.costs[BARE]])

    def wall_to_exit(self, *, startup: bool) -> Estimate:
        """Wall time under gotrace until the command exits, with or without gotrace's start-up."""
        bare = [cost.wall_s for cost in self.costs[BARE]]
        return paired_ratios([t.command_s + startup * t.startup_s for t in self.traced], bare)

    def exit_to_report(self) -> Estimate:
        """Seconds from the command's exit to gotrace's."""
        return estimate([t.report_s for t in self.traced])


def own_account(recording: Path, cost: Cost, source: str = "ebpf") -> Traced:
    """Where the time of a traced run went: the command's exec and exit are in its recording.

    Raises:
        ValueError: it was watched by another source than `source`.
    """
    recorded = read_recording(recording)
    if recorded.header.source != source:
        raise ValueError(f"{recording} was recorded by {recorded.header.source}, not by {source}")
    events: list[Event] = [event for event in recorded.events if isinstance(event, Event)]
    pid = next(e.data["pid"] for e in events if isinstance(e, Fact) and e.name == "command")
    began = next(e.ts_ns for e in events if isinstance(e, Exec) and e.pid == pid and e.error == 0)
    ended = next(e.ts_ns for e in reversed(events) if isinstance(e, Exit) and e.pid == pid)
    lost = sum(e.count for e in events if isinstance(e, Lost))
    return Traced(
        (began - cost.spawned_ns) / 1e9, (ended - began) / 1e9, (cost.ended_ns - ended) / 1e9, len(events), lost
    )


def compare(bench: Bench, workload: str, rounds: int, say: Say, only: frozenset[str] = frozenset()) -> Comparison:
    """Run a workload `rounds` times under each variant (or `only` those)."""
    command = WORKLOADS[workload]
    makers = {name: make for name, make in variants(bench).items() if not only or name in only}
    result = Comparison(workload, {name: [] for name in makers})
    for serial, (number, name) in enumerate(in_rounds([*makers], rounds), 1):
        cost = run(makers[name](command(serial)), bench.program, bench.env, bench.log)
        if number < 0:
            say(f"{workload}, warming up: {name}: {cost.wall_s:.2f} s")
            continue
        result.costs[name].append(cost)
        if name == TRACED:
            result.traced.append(own_account(bench.recording, cost))
        say(f"{workload}, round {number + 1} of {rounds}: {name}: {cost.wall_s:.2f} s, CPU {cost.cpu_s:.2f} s")
    return result
