"""`gotrace explain`: what a finding means, why it happens, how to fix it."""

from __future__ import annotations

from typing import Annotated

import typer

from gotrace.cli import streams
from gotrace.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="\b\nExamples:\n  gotrace explain GT101\n  gotrace explain wrong-target-compiler")(explain)


def _completed(incomplete: str) -> list[str]:
    """The names and codes that begin so; codes in any case, as the argument itself."""
    from gotrace.rules import registry

    known = registry.rules()
    keys = [*(rule.name for rule in known), *(rule.code for rule in known)]
    return [key for key in keys if key.lower().startswith(incomplete.lower())]


def explain(
    rule: Annotated[str, typer.Argument(metavar="CODE|NAME", help="As a finding shows it.", autocompletion=_completed)],
) -> None:
    """Say what a finding means, why it happens and how to fix it."""
    from gotrace.rules import registry

    try:
        found = registry.rule(rule)
    except LookupError as error:
        raise UsageError(str(error.args[0]), "gotrace rules lists them all") from None
    title = f"{found.code} {found.name} ({found.severity.value})"
    streams.to_stdout(f"{title}\n\n{registry.explanation(found)}\n")
