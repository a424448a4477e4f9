"""`gotrace completion`: a script that completes gotrace's commands and options in a shell."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import Annotated

import typer

from gotrace.cli import streams

_VARIABLE = "_GOTRACE_COMPLETE"
"""Set by the script when a shell asks what could come next."""


class Shell(StrEnum):
    """The shells that have a script."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def prepare() -> None:
    """Answer a shell's question in the form that its script expects."""
    if _VARIABLE in os.environ:
        from typer._completion_classes import completion_init

        completion_init()


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="\b\nExample:\n  gotrace completion bash > ~/.local/share/bash-completion/completions/gotrace")(
        completion
    )


def completion(shell: Annotated[Shell, typer.Argument(help="bash, zsh or fish.")]) -> None:
    """Print a script that completes gotrace's commands and options."""
    from typer._completion_shared import get_completion_script

    streams.to_stdout(get_completion_script(prog_name="gotrace", complete_var=_VARIABLE, shell=shell.value) + "\n")
