"""What `gotrace build` and `gotrace run` share: their options, how they start, and what their help says of the end."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated

import typer

from gotrace.cli import options

_EPILOG = """\b
Examples:
{examples}

Each option has a variable: GOTRACE_OUTPUT, GOTRACE_REPORT, GOTRACE_BACKEND, and so on.

Exit status: the command's own, and death by the same signal; 125 gotrace failed (a failure after the command ended
does not hide the command's own failure), 126 the command cannot be executed, 127 it was not found, 3 findings where
--fail-on asks for it and the command itself succeeded."""
_ONLY_OF_A_BUILD, _ONLY_OF_A_RUN = "fresh", "no_stops"


def register(app: typer.Typer, name: str, short_help: str, description: str, examples: str, *, running: bool) -> None:
    """Add one of the two, a program's run or a build; what follows the first word of COMMAND belongs to COMMAND."""
    app.command(
        name,
        short_help=short_help,
        help=description,
        epilog=_EPILOG.format(examples=examples),
        context_settings={"allow_interspersed_args": False},
    )(_without(_launcher(running=running), _ONLY_OF_A_BUILD if running else _ONLY_OF_A_RUN))


def _launcher(*, running: bool) -> Callable[..., None]:
    """What starts the one or the other, with the options of both."""

    def launch(
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
        no_stops: options.NoStops = False,
        timings: options.Timings = False,
    ) -> None:
        from gotrace.cli.building import Building
        from gotrace.cli.failures import BUILD_FAILED
        from gotrace.cli.outputs import Outputs

        building = Building(
            command=tuple(command),
            backend=backend.value,
            sudo=sudo,
            user=user,
            probe=not no_probe,
            quiet=quiet,
            colour=False if no_color else None,
            outputs=Outputs.asked(output, report, failed=BUILD_FAILED),
            fail_on=fail_on,
            fresh=fresh,
            timings=timings,
            running=running,
            stops=not no_stops,
        )
        raise typer.Exit(building.run())

    return launch


def _without(command: Callable[..., None], option: str) -> Callable[..., None]:
    """The same, and typer, which reads the options off the signature, sees all but this one."""
    whole = inspect.signature(command, eval_str=True)
    seen = [parameter for name, parameter in whole.parameters.items() if name != option]
    command.__signature__ = whole.replace(parameters=seen)  # type: ignore[attr-defined]
    return command
