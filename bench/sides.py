"""The rounds of one build under all tracers, and what follows from them. All ratios are paired by rounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

from bench.builds import Say, Traced, own_account
from bench.process import Cost, run
from bench.rounds import in_rounds
from bench.stats import Estimate, estimate, paired_ratios
from bench.tracers import PTRACE, STRACE, STRACE_NO_WRITES, Task, Tracer
from bench.workloads import BARE, Bench

_STRACES = frozenset({STRACE, STRACE_NO_WRITES})


@dataclass
class Side:
    """All rounds of one tracer."""

    costs: list[Cost] = field(default_factory=list)
    accounts: list[Traced] = field(default_factory=list)
    """gotrace's only."""
    starts: list[Cost] = field(default_factory=list)
    """The same tracer with `true` for a command, in the same round; strace's only."""

    def wall(self) -> list[float]:
        """Seconds until it was gone."""
        return [cost.wall_s for cost in self.costs]

    def cpu(self) -> list[float]:
        """CPU seconds of everything."""
        return [cost.cpu_s for cost in self.costs]

    def wall_of_command(self) -> list[float]:
        """Seconds without what the tracer takes before the command and after it."""
        if self.accounts:
            return [account.command_s for account in self.accounts]
        return [wall - start.wall_s for wall, start in zip(self.wall(), self._starts(), strict=True)]

    def cpu_of_command(self) -> list[float]:
        """The same for CPU seconds."""
        if self.accounts:
            return [cost.course.command_s for cost in self.costs if cost.course]
        return [cpu - start.cpu_s for cpu, start in zip(self.cpu(), self._starts(), strict=True)]

    def tracer_s(self) -> float:
        """CPU seconds of gotrace's tracer while the command ran, median."""
        return median(cost.course.detached_s for cost in self.costs if cost.course)

    def start(self) -> Estimate:
        """Seconds from gotrace's start to the command's first instruction, or those of strace with `true`."""
        return estimate([a.startup_s for a in self.accounts] or [start.wall_s for start in self.starts])

    def report(self) -> Estimate:
        """Seconds from the command's end to gotrace's."""
        return estimate([account.report_s for account in self.accounts])

    def _starts(self) -> list[Cost]:
        return self.starts or [Cost(0, 0, 0, 0)] * len(self.costs)


class Ratios:
    """One tracer by another."""

    def __init__(self, of: Side, by: Side) -> None:
        self.wall = paired_ratios(of.wall(), by.wall())
        self.cpu = paired_ratios(of.cpu(), by.cpu())
        self.wall_of_command = paired_ratios(of.wall_of_command(), by.wall_of_command())
        self.cpu_of_command = paired_ratios(of.cpu_of_command(), by.cpu_of_command())


def side_by_side(bench: Bench, task: Task, found: Mapping[str, Tracer], rounds: int, say: Say) -> dict[str, Side]:
    """Run a task `rounds` times under each tracer."""
    sides = {name: Side() for name in found}
    for tracer in found.values():  # warms what starts them: their files, and gotrace's programs
        run(tracer.line(["true"]), bench.program, {**bench.env, **tracer.env}, bench.log)
    for serial, (number, name) in enumerate(in_rounds([*found], rounds, [BARE, PTRACE])):
        tracer, side = found[name], sides[name]
        env = {**bench.env, **tracer.env, **task.prepare(bench, serial)}
        cost = run(tracer.line(task.command), bench.program, env, bench.log, watched=tracer.source is not None)
        which = "warming up" if number < 0 else f"round {number + 1} of {rounds}"
        say(f"{task.title}, {which}: {name}: {cost.wall_s:.2f} s, CPU {cost.cpu_s:.2f} s")
        if number < 0:
            continue
        side.costs.append(cost)
        if tracer.source is not None:
            side.accounts.append(own_account(bench.recording, cost, tracer.source))
        if name in _STRACES:
            side.starts.append(run(tracer.line(["true"]), bench.program, env, bench.log))
    return sides
