"""`gotrace rules`: every problem that gotrace can name."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from gotrace.cli import streams


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="\b\nExample:\n  gotrace rules --json | jq -r '.[].name'")(rules)


def rules(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the problems that gotrace can name."""
    from gotrace.rules import registry

    known = [
        {"code": rule.code, "severity": rule.severity.value, "name": rule.name, "needs": sorted(rule.needs)}
        for rule in registry.rules()
    ]
    if as_json:
        streams.to_stdout(json.dumps(known, indent=2) + "\n")
    else:
        streams.to_stdout("".join(f"{rule['code']}  {rule['severity']:<7}  {rule['name']}\n" for rule in known))
