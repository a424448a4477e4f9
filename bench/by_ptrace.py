"""The part of docs/performance.md about watching by ptrace, side by side with strace."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from bench.builds import Say
from bench.counting import count_stops
from bench.percall import STOPPED_CALLS, measure
from bench.sides import Ratios, Side, side_by_side
from bench.stats import Estimate
from bench.table import markdown, yes
from bench.tracers import (
    EBPF,
    FULL,
    PTRACE,
    PTRACE_PYTHON,
    RELINK,
    STRACE,
    STRACE_NO_WRITES,
    Task,
    only,
    tracers,
)
from bench.workloads import BARE, Bench, prepare
from gotrace.sources.ptrace.compiled import CompiledStops, stops_of

NOTES = """\
What is compared: strace runs as `strace -f --seccomp-bpf -e trace=... -o /dev/null`, with exactly the calls that stop
under gotrace (as far as it knows their names). Two things it cannot leave out, as gotrace's filter does: writes to
other descriptors than stderr, and `newfstatat` and `statx` of an open descriptor; so it is also measured without any
write, which gotrace is not. All run as root.

CPU is user and system time of all processes that a run has started, the detached tracer included. "The command alone"
leaves out what a tracer takes before and after it. For gotrace that is the time from the command's first instruction to
its exit, as recorded, and the CPU that was used meanwhile; for strace it is the whole run less one with `true` for a
command in the same round. The bars are ratios to strace in the same round.
"""


@dataclass(frozen=True)
class Rounds:
    """How often each is measured."""

    full: int
    relinks: int
    calls: int


def ptrace(bench: Bench, rounds: Rounds, say: Say) -> str:
    """All of it."""
    own = prepare(bench.scratch / "ptrace")
    if not isinstance(stops_of(memoryview(bytearray(4096)).cast("Q")), CompiledStops):
        raise SystemExit("bench: the compiled loop of ptrace is missing: install a C compiler, then run make setup")
    parts = [f"### Watching by ptrace\n\n{NOTES}"]
    stops, counts = [], []
    for task, count in ((FULL, rounds.full), (RELINK, rounds.relinks)):
        sides = side_by_side(own, task, tracers(own), count, say)
        parts += [_whole(task, sides), _alone(sides), _bars(sides)]
        counted = count_stops(own, task)
        say(f"{task.title}: stops: {counted}")
        stops += [*_stop_rows(task, sides, counted)]
        counts.append(f"{task.title}: " + ", ".join(f"{kind} {count:,}" for kind, count in counted.items()))
    parts.append(_stops(stops, counts))
    parts.append(_calls(own, rounds.calls, say))
    return "\n".join(parts)


def _whole(task: Task, sides: dict[str, Side]) -> str:
    rows = []
    for name, side in sides.items():
        wall, cpu = f"{median(side.wall()):.2f} s", f"{median(side.cpu()):.2f} s"
        if name == BARE:
            rows.append([name, wall, "1", cpu, "1"])
        else:
            by_bare = Ratios(side, sides[BARE])
            rows.append([name, wall, f"{by_bare.wall:.3f}", cpu, f"{by_bare.cpu:.3f}"])
    head = ["the whole run", "wall, median", "wall by bare", "CPU, median", "CPU by bare"]
    title = f"#### By ptrace, {task.title} ({len(sides[BARE].costs)} rounds)"
    return f"{title}\n\n{markdown(head, rows)}"


def _alone(sides: dict[str, Side]) -> str:
    rows = []
    for name, side in sides.items():
        if not (side.accounts or side.starts):
            continue
        by_bare = Ratios(side, sides[BARE])
        report = f"{side.report():.2f} s" if side.accounts else ""
        ratios = f"{by_bare.wall_of_command:.3f}", f"{by_bare.cpu_of_command:.3f}"
        rows.append([name, *ratios, f"{side.start():.3f} s", report])
    head = ["the command alone", "wall by bare", "CPU by bare", "start", "from its exit to the report's end"]
    return markdown(head, rows)


def _bars(sides: dict[str, Side]) -> str:
    rows = []
    for name in (PTRACE, PTRACE_PYTHON):
        for base in (STRACE, STRACE_NO_WRITES):
            ratios = Ratios(sides[name], sides[base])
            counts = name == PTRACE and base == STRACE
            for what, value in (("wall", ratios.wall_of_command), ("CPU", ratios.cpu_of_command)):
                rows.append([f"{name} by {base}: {what}", f"{value:.3f}", *(_met(value) if counts else ("", ""))])
            for what, value in (("wall", ratios.wall), ("CPU", ratios.cpu)):
                if counts:
                    rows.append([f"the same, {what} with start-up and report", f"{value:.3f}", "", ""])
    return markdown(["the command alone, by strace", "measured", "bar", "met"], rows)


def _met(value: Estimate) -> tuple[str, str]:
    return "1", yes(value.meets(1.0))


def _stop_rows(task: Task, sides: dict[str, Side], counted: dict[str, int]) -> Iterable[list[str]]:
    number = sum(counted.values())
    for what, name in (("loop in C", PTRACE), ("loop in Python", PTRACE_PYTHON)):
        seconds = sides[name].tracer_s()
        yield [f"{task.title}, {what}", f"{number:,}", f"{seconds:.2f} s", f"{seconds / number * 1e6:.1f} us"]


def _stops(rows: list[list[str]], counts: list[str]) -> str:
    head = ["tracer while the command runs", "stops", "its own CPU, median", "a stop"]
    note = "The stops were counted in one further build each; Go's preemption signals make their number vary."
    listed = "\n".join(f"- {line}" for line in counts)
    return f"#### What a stop costs the tracer\n\n{markdown(head, rows)}\n{note}\n\n{listed}\n"


def _calls(bench: Bench, rounds: int, say: Say) -> str:
    names = (BARE, PTRACE, PTRACE_PYTHON, STRACE, EBPF)
    costs = measure(bench, only(tracers(bench), names), STOPPED_CALLS, rounds)
    rows = []
    for call, of in costs.items():
        say(f"{call}: " + ", ".join(f"{name} {value:.0f} ns" for name, value in of.items()))
        rows.append([_CALLS[call], *(_us(of[name]) for name in names)])
    head = ["system call", *names]
    return f"#### Single system calls under ptrace ({rounds} rounds)\n\n{markdown(head, rows)}"


_CALLS = {
    "getppid": "getppid, which is not observed",
    "access-ok": "access that succeeds",
    "access": "access that fails",
}


def _us(value: Estimate) -> str:
    in_us = Estimate(value.median / 1000, value.low / 1000, value.high / 1000, value.rounds)
    return f"{in_us:.2f} us"
