"""`gotrace build`: run a command, watch it, say what broke."""

from __future__ import annotations

from typing import Annotated

import typer

from gotrace.cli import options

_EPILOG = """\b
Examples:
  gotrace build -- go build ./...                       no privilege needed
  gotrace build --sudo -- go build ./...                by eBPF: costs less, and sudo in it works
  gotrace build -o build.gotrace -- go test ./...       then: gotrace report build.gotrace
  gotrace build -q --report json:report.json -- make
  gotrace build --fresh -- go build .                   what the build cache would spare is built, and seen
  GOTRACE_SUDO=1 gotrace build -- go build .

Each option has a variable: GOTRACE_OUTPUT, GOTRACE_REPORT, GOTRACE_BACKEND, and so on.

Exit status: the command's own, and death by the same signal; 125 gotrace failed (a failure after the command ended
does not hide the command's own failure), 126 the command cannot be executed, 127 it was not found, 3 findings where
--fail-on asks for it and the command itself succeeded."""


def register(app: typer.Typer) -> None:
    """Add the command; what follows the first word of COMMAND belongs to COMMAND."""
    app.command(
        short_help="Run a build and say what broke.",
        epilog=_EPILOG,
        context_settings={"allow_interspersed_args": False},
    )(build)


def build(
    command: Annotated[list[str], typer.Argument(metavar="COMMAND", help="What to run and watch.")],
    *,
    output: options.Output = None,
    report: options.Reports = None,
    backend: options.BackendOption = options.Backend.AUTO,
    sudo: options.Sudo = False,
    user: options.User = None,
    fail_on: options.FailOnOption = options.FailOn.NONE,
    fresh: options.Fresh = False,
    quiet: options.Quiet = False,
    no_color: options.NoColor = False,
    no_probe: options.NoProbe = False,
    timings: options.Timings = False,
) -> None:
    """Run a build, watch all its processes, and say what broke, which process saw it, and the fix.

    The command's stdin, stdout and stderr are untouched; the report goes to stderr after it has ended.
    """
    from gotrace.cli.building import Building
    from gotrace.cli.outputs import Destination, Outputs

    reports = tuple(Destination.parse(text) for text in report or ())
    building = Building(
        command=tuple(command),
        backend=backend.value,
        sudo=sudo,
        user=user,
        probe=not no_probe,
        quiet=quiet,
        colour=False if no_color else None,
        outputs=Outputs(output, reports),
        fail_on=fail_on,
        fresh=fresh,
        timings=timings,
    )
    raise typer.Exit(building.run())
