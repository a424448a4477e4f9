"""`make bench`: measures gotrace against the bare command, strace and bear, and writes docs/performance.md.

python -m bench.run [--quick] [--rounds N] [--only SECTION]... [--no-write]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from bench.by_ptrace import Rounds
from bench.page import Part, rendered, with_parts
from bench.sections import SECTIONS, Plan
from bench.table import place
from bench.workloads import ROOT, prepare

PAGE = ROOT / "docs/performance.md"
FULL = Plan(
    rounds=15,
    relinks=20,
    starts=15,
    builds=20,
    ptrace=Rounds(full=7, relinks=12, calls=7),
    attached=15,
    cycles=100,
    large=True,
)
QUICK = Plan(
    rounds=2,
    relinks=3,
    starts=3,
    builds=2,
    ptrace=Rounds(full=2, relinks=3, calls=2),
    attached=1,
    cycles=3,
    large=False,
)


def plan_of(options: argparse.Namespace) -> Plan:
    """How often each thing is measured."""
    plan = QUICK if options.quick else FULL
    if options.rounds:
        plan = plan._replace(rounds=options.rounds, ptrace=replace(plan.ptrace, full=options.rounds))
    return plan


def parse(arguments: list[str]) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(prog="bench.run", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few rounds; prints only")
    parser.add_argument("--rounds", type=int, help="rounds of whole builds")
    parser.add_argument(
        "--only", action="append", choices=[*SECTIONS], help="this section only (repeatable); the page keeps the others"
    )
    parser.add_argument("--no-write", action="store_true", help=f"leave {PAGE.relative_to(ROOT)} alone")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Measure, print, write."""
    options = parse(arguments)
    if os.geteuid() != 0:
        print("bench: run it as root: a password prompt of sudo would be measured too", file=sys.stderr)
        return 2
    sections = options.only or [*SECTIONS]
    with tempfile.TemporaryDirectory(prefix="gotrace-bench-") as scratch:
        bench = prepare(Path(scratch))
        texts = {name: SECTIONS[name](bench, plan_of(options), _say) for name in sections}
    where = place()
    parts = {name: Part(where, text) for name, text in texts.items()}
    print(rendered(parts))
    if not (options.quick or options.no_write):
        PAGE.write_text(with_parts(PAGE.read_text(), parts, [*SECTIONS]))
    return 0


def _say(line: str) -> None:
    print(f"bench: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
