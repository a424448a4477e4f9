"""`gotrace run`: run a program, watch what it asks of the loader and the kernel, say what broke."""

from __future__ import annotations

import typer

from gotrace.cli import launching

_DESCRIPTION = """\
Run a program, watch its libraries, dlopen and dlsym, failing system calls and signals, and say what broke.

The program's stdin, stdout and stderr are untouched; the report goes to stderr after it has ended."""

_EXAMPLES = """\
  gotrace run -- ./app                          no privilege needed
  gotrace run --sudo -- ./app --listen :8080    by eBPF: costs less, and sees every failing call
  gotrace run -o run.gotrace -- ./app           then: gotrace report run.gotrace
  gotrace run -- go test ./...                  tests, and what they start
  gotrace run -q --report json:run.json -- ./app"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    launching.register(app, "run", "Run a program and say what broke.", _DESCRIPTION, _EXAMPLES, running=True)
