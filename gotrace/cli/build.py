"""`gotrace build`: run a command, watch it, say what broke."""

from __future__ import annotations

import typer

from gotrace.cli import launching

_DESCRIPTION = """Run a build, watch all its processes, and say what broke, which process saw it, and the fix.

The command's stdin, stdout and stderr are untouched; the report goes to stderr after it has ended."""

_EXAMPLES = """\
  gotrace build -- go build ./...                       no privilege needed
  gotrace build --sudo -- go build ./...                by eBPF: costs less, and sudo in it works
  gotrace build -o build.gotrace -- go test ./...       then: gotrace report build.gotrace
  gotrace build -q --report json:report.json -- make
  gotrace build --fresh -- go build .                   what the build cache would spare is built, and seen
  GOTRACE_SUDO=1 gotrace build -- go build ."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    launching.register(app, "build", "Run a build and say what broke.", _DESCRIPTION, _EXAMPLES, running=False)
