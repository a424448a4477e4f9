"""What `make bench` measures, section by section; each returns its part of docs/performance.md."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import NamedTuple

from bench.attach import attachments
from bench.builds import Comparison, Say, compare
from bench.by_ptrace import Rounds, ptrace
from bench.percall import per_call
from bench.reading import EVENTS, FAILING, command_line, grown, library, rules
from bench.startup import own_use, to_first_instruction
from bench.stats import Estimate
from bench.symbols import large_program, symbols
from bench.table import markdown, yes
from bench.workloads import BARE, TRACED, Bench, full_build
from gotrace.sources.ebpf import cache


class Plan(NamedTuple):
    """How often each thing is measured."""

    rounds: int
    relinks: int
    starts: int
    builds: int
    """Whole builds under gotrace in which no event may be lost."""
    ptrace: Rounds
    attached: int
    """Rounds of a server under load."""
    cycles: int
    """Attachments to one server that it has to survive."""
    large: bool
    """Whether functions are looked up in a program of 100 MB, which takes minutes to build, or in a small one."""


def _bar(value: Estimate, bar: float) -> str:
    return yes(value.meets(bar))


def _sides(title: str, comparison: Comparison) -> str:
    rows = []
    for name, costs in comparison.costs.items():
        seconds = f"{median(cost.wall_s for cost in costs):.2f} s"
        if name == BARE:
            rows.append([name, seconds, "1", "1"])
            continue
        rows.append([name, seconds, f"{comparison.wall(name):.3f}", f"{comparison.cpu(name):.3f}"])
        if name == TRACED:
            for what, startup in (("until the command's exit", True), ("the command alone", False)):
                reached = median(run.command_s + startup * run.startup_s for run in comparison.traced)
                ratio = comparison.wall_to_exit(startup=startup)
                rows.append([f"{name}, {what}", f"{reached:.2f} s", f"{ratio:.3f}", ""])
    table = markdown(["variant", "wall, median", "wall by bare", "CPU by bare"], rows)
    return f"### {title} ({len(comparison.costs[BARE])} rounds)\n\n{table}"


def whole_builds(bench: Bench, plan: Plan, say: Say) -> str:
    """`go build -a` side by side, then more traced builds until enough were seen to say that nothing gets lost."""
    comparison = compare(bench, "go build -a", plan.rounds, say)
    traced = [*comparison.traced]
    if len(traced) < plan.builds:
        more = plan.builds - len(traced)
        traced += compare(bench, "go build -a", more, say, frozenset({TRACED})).traced
    with_start, without = comparison.wall_to_exit(startup=True), comparison.wall_to_exit(startup=False)
    report = comparison.exit_to_report()
    lost = sum(run.lost for run in traced)
    events = median(run.events for run in traced)
    bars = markdown(
        ["`go build -a` under gotrace, warm", "measured", "bar", "met"],
        [
            ["wall until the command's exit, by bare", f"{with_start:.3f}", "1.06", _bar(with_start, 1.06)],
            ["the same without start-up", f"{without:.3f}", "1.03", _bar(without, 1.03)],
            ["from the command's exit to the report's end", f"{report:.2f} s", "0.5 s", _bar(report, 0.5)],
            [f"events lost in {len(traced)} builds of {events:,.0f} events", str(lost), "0", yes(lost == 0)],
        ],
    )
    return _sides("Whole build: `go build -a` of a cgo program", comparison) + "\n" + bars


def relinks(bench: Bench, plan: Plan, say: Say) -> str:
    """The shortest real job: one link."""
    return _sides("Relink of the same program", compare(bench, "relink", plan.relinks, say))


def own_cost(bench: Bench, plan: Plan, say: Say) -> str:
    """Memory and CPU of gotrace's own processes, warm and cold."""
    rows = []
    for name, cold, bar in (("warm", None, 120), ("cold", cache.folder(), 250)):
        own = own_use(bench, full_build(0), cold_cache=cold)
        say(f"own cost, {name}: {own}")
        share = own.cpu_s / own.command_cpu_s
        rows.append([f"peak memory, {name}", f"{own.peak_mb:.0f} MB", f"{bar} MB", yes(own.peak_mb < bar)])
        if cold is None:
            rows.append(["own CPU while the build ran, by the build's", f"{share:.1%}", "3 %", yes(share <= 0.03)])
    return "### gotrace's own processes during `go build -a`\n\n" + markdown(["what", "measured", "bar", "met"], rows)


def starts(bench: Bench, plan: Plan, say: Say) -> str:
    """How soon the command runs, and how soon gotrace answers."""
    rows = []
    for name, cold, bar in (("cold", cache.folder(), 0.8), ("warm", None, 0.3)):
        value = to_first_instruction(bench, plan.starts, cold_cache=cold)
        say(f"start to first instruction, {name}: {value:.3f} s")
        rows.append(
            [f"start to the command's first instruction, {name}", f"{value:.3f} s", f"{bar} s", _bar(value, bar)]
        )
    helped = command_line(bench, ["--help"], plan.starts)
    rows.append(["`gotrace --help`", f"{helped:.3f} s", "0.25 s", _bar(helped, 0.25)])
    return f"### Start-up ({plan.starts} rounds)\n\n" + markdown(["what", "measured", "bar", "met"], rows)


def reading(bench: Bench, plan: Plan, say: Say) -> str:
    """Load, diagnose and render a recording of 100,000 events."""
    if not bench.recording.exists():
        compare(bench, "go build -a", 1, say, frozenset({BARE, TRACED}))
    large = bench.scratch / "large.gotrace"
    grown(bench.recording, EVENTS, large)
    rounds = max(5, plan.starts // 2)
    within = library(large, rounds)
    whole = command_line(bench, ["report", str(large)], rounds)
    rows = [
        ["load, diagnose and render", f"{within:.2f} s", "1 s", _bar(within, 1)],
        ["the whole command `gotrace report`", f"{whole:.2f} s", "", ""],
    ]
    for failing in FAILING:
        ruled = rules(bench.scratch, failing, rounds)
        rows.append([f"all rules, of a failing {failing}", f"{ruled:.2f} s", "0.5 s", _bar(ruled, 0.5)])
    head = ["what", "measured", "bar", "met"]
    return f"### A recording of {EVENTS:,} events ({rounds} rounds)\n\n" + markdown(head, rows)


def calls(bench: Bench, plan: Plan, say: Say) -> str:
    """Nanoseconds of single system calls."""
    rows = []
    for call, of in per_call(bench, plan.relinks).items():
        say(f"{call}: {of[BARE]:.0f} ns bare, {of[TRACED]:.0f} ns traced")
        extra = of[TRACED].median - of[BARE].median
        rows.append([call, f"{of[BARE]:.0f} ns", f"{of[TRACED]:.0f} ns", f"{extra:.0f} ns"])
    names = ["system call", "bare", "traced", "gotrace adds"]
    return f"### Single system calls ({plan.relinks} rounds)\n\n" + markdown(names, rows)


def by_ptrace(bench: Bench, plan: Plan, say: Say) -> str:
    """Watching by ptrace, beside strace."""
    return ptrace(bench, plan.ptrace, say)


def attached(bench: Bench, plan: Plan, say: Say) -> str:
    """A server that is attached to."""
    return attachments(bench, plan.attached, plan.cycles, say)


def lookups(bench: Bench, plan: Plan, say: Say) -> str:
    """Names of functions in a large Go program."""
    program = large_program(bench, **({} if plan.large else {"packages": 3, "methods": 100}))
    size = program.stat().st_size / 10**6
    say(f"a Go program of {size:.0f} MB")
    cost = symbols(program, plan.starts)
    rows = [
        ["opened, and its first function found", f"{cost.opened:.3f} s", "0.3 s", _bar(cost.opened, 0.3)],
        ["a look-up, address not seen before", _us(cost.new), "", ""],
        ["a look-up, warm", _us(cost.known), "20 µs", _bar(cost.known, 20e-6)],
    ]
    head = ["what", "measured", "bar", "met"]
    return f"### Functions of a Go program of {size:.0f} MB ({plan.starts} rounds)\n\n" + markdown(head, rows)


def _us(value: Estimate) -> str:
    return f"{value.median * 1e6:.1f} [{value.low * 1e6:.1f}, {value.high * 1e6:.1f}] µs"


SECTIONS: dict[str, Callable[[Bench, Plan, Say], str]] = {
    "builds": whole_builds,
    "relinks": relinks,
    "own": own_cost,
    "starts": starts,
    "reading": reading,
    "calls": calls,
    "ptrace": by_ptrace,
    "attach": attached,
    "symbols": lookups,
}
