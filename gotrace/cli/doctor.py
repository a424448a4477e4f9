"""`gotrace doctor`: what this machine can do, with the remedy for each lack."""

from __future__ import annotations

import json
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from gotrace.cli import streams
from gotrace.host.check import Check

_LEFT = "left by a crash"
_MOST_LEFT = 3
_MARKS = {True: "ok  ", False: "LACK", None: "    "}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog="\b\nExample:\n  gotrace doctor --json | jq '.[] | select(.ok == false)'"
        "\n\nExit status: 0 nothing lacks, 1 something does, 2 it could not be found out."
    )(doctor)


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Say what this machine can do, with the remedy for each lack."""
    from gotrace.capture.spool import leftover_spools
    from gotrace.host import kernel, toolchain
    from gotrace.sources import survey

    sources = survey.checks()
    works = any(check.ok for check in sources)
    left = [_left(path) for path in leftover_spools()]
    machine = [*kernel.checks(ebpf_needed=not works), *survey.cache_checks(), *toolchain.checks()]
    checks = [*sources, *machine, *left]
    if as_json:
        found = [
            {"name": check.name, "ok": check.ok, "detail": check.detail, "remedy": check.remedy} for check in checks
        ]
        streams.to_stdout(json.dumps(found, indent=2) + "\n")
    else:
        shown = [*sources, *machine, *_some_of(left)]
        widest = max(len(check.name) for check in shown)
        for check in shown:
            streams.to_stdout(f"{_MARKS[check.ok]}  {check.name:<{widest}}  {check.detail}\n")
            if check.remedy:
                streams.to_stdout(f"{'':<{widest + 8}}{check.remedy}\n")
    raise typer.Exit(1 if any(check.ok is False for check in checks) else 0)


def _some_of(left: list[Check]) -> list[Check]:
    """The newest, and how many there are besides."""
    if len(left) <= _MOST_LEFT:
        return left
    more = Check(_LEFT, None, f"{len(left) - _MOST_LEFT} older ones", "gotrace doctor --json lists them all")
    return [*left[-_MOST_LEFT:], more]


def _left(spool: Path) -> Check:
    path = quote(str(spool))
    return Check(_LEFT, None, str(spool), f"gotrace report {path} tells what it holds, rm {path} removes it")
