"""`gotrace run`: run a program, watch what it asks of the loader and the kernel, say what broke."""

from __future__ import annotations

from typing import Annotated

import typer

from gotrace.cli import options

_EPILOG = """\b
Examples:
  gotrace run -- ./app                          no privilege needed
  gotrace run --sudo -- ./app --listen :8080    by eBPF: costs less, and sees every failing call
  gotrace run -o run.gotrace -- ./app           then: gotrace report run.gotrace
  gotrace run -- go test ./...                  tests, and what they start
  gotrace run -q --report json:run.json -- ./app

Each option has a variable: GOTRACE_OUTPUT, GOTRACE_REPORT, GOTRACE_BACKEND, and so on.

Exit status: the command's own, and death by the same signal; 125 gotrace failed (a failure after the command ended
does not hide the command's own failure), 126 the command cannot be executed, 127 it was not found, 3 findings where
--fail-on asks for it and the command itself succeeded."""


def register(app: typer.Typer) -> None:
    """Add the command; what follows the first word of COMMAND belongs to COMMAND."""
    app.command(
        short_help="Run a program and say what broke.",
        epilog=_EPILOG,
        context_settings={"allow_interspersed_args": False},
    )(run)


def run(
    command: Annotated[list[str], typer.Argument(metavar="COMMAND", help="What to run and watch.")],
    *,
    output: options.Output = None,
    report: options.Reports = None,
    backend: options.BackendOption = options.Backend.AUTO,
    sudo: options.Sudo = False,
    user: options.User = None,
    fail_on: options.FailOnOption = options.FailOn.NONE,
    quiet: options.Quiet = False,
    no_color: options.NoColor = False,
    no_probe: options.NoProbe = False,
    no_stops: options.NoStops = False,
    timings: options.Timings = False,
) -> None:
    """Run a program, watch its libraries, dlopen and dlsym, failing system calls and signals, and say what broke.

    The program's stdin, stdout and stderr are untouched; the report goes to stderr after it has ended.
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
        timings=timings,
        running=True,
        stops=not no_stops,
    )
    raise typer.Exit(building.run())
