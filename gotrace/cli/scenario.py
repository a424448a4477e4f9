"""`gotrace scenario`: documented failures that are reproduced, diagnosed, fixed and proved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from gotrace.cli import options, streams
from gotrace.cli.scenarios.backends import Watching

_HELP = (
    """Failures of Go builds, each in a file that reproduces it, says what gotrace has to find, and proves the fix."""
)
_EPILOG = """\b
Examples:
  gotrace scenario list                                what there is
  gotrace scenario show wrong-target-compiler          one of them: why it fails, what is claimed, what is run
  gotrace scenario run wrong-target-compiler           perform it, with gotrace's report of each act
  gotrace scenario verify -j 2 --backend both          perform them all, a line for each
  gotrace scenario new my-failure                      a file to start from"""
_LIST_EPILOG = "\b\nExample:\n  gotrace scenario list --json | jq -r '.scenarios[].id'"
_SHOW_EPILOG = (
    "\b\nExamples:\n  gotrace scenario show wrong-target-compiler | less\n  gotrace scenario show ./my-failure.toml"
)
_NEW_EPILOG = "\b\nExample:\n  gotrace scenario new my-failure --folder scenarios"
_RUN_EPILOG = """\b
Examples:
  gotrace scenario run wrong-target-compiler
  gotrace scenario run wrong-target-compiler --act fix-1 --backend ptrace
  gotrace scenario run ./my-failure.toml --trust

Exit status: 0 all is as the scenario says, 1 something is not, 2 it cannot be run here."""
_VERIFY_EPILOG = """\b
Examples:
  gotrace scenario verify
  gotrace scenario verify -j 2 --backend both --junit scenarios.xml
  gotrace scenario verify --sudo                        by eBPF, as an ordinary user
  gotrace scenario verify missing-header --save-recordings tests/recordings
  gotrace scenario verify --json | jq -r '.scenarios[] | select(.status != "passed") | .id + ": " + .why'

What a scenario needs and this machine lacks makes it skipped; with GOTRACE_REQUIRE=all it makes it fail, but for
scenarios that need a virtual machine.

Exit status: 0 none fell short, 1 some did, 2 gotrace could not do its work, 130 or 143 it was stopped (^C, SIGTERM)."""


def _completed(incomplete: str) -> list[str]:
    from gotrace.cli.scenarios.chosen import completed

    return completed(incomplete)


_One = Annotated[
    str, typer.Argument(metavar="ID|FILE", help="An id, or the path of a scenario's file.", autocompletion=_completed)
]
_Trust = Annotated[
    bool, typer.Option("--trust", help="Run scenario files from elsewhere: such a file runs commands as you.")
]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_Backend = Annotated[
    Watching,
    typer.Option(
        "--backend", envvar="GOTRACE_SCENARIO_BACKEND", help="How to watch; auto takes the better that works."
    ),
]
_Install = Annotated[
    bool,
    typer.Option("--install-missing", help="Say which packages would bring what is missing, ask, and install them."),
]
_Yes = Annotated[bool, typer.Option("--yes", "-y", help="Agree to --install-missing beforehand.")]


def register(app: typer.Typer) -> None:
    """Add the command with its own commands."""
    scenario = typer.Typer(help=_HELP, epilog=_EPILOG, rich_markup_mode=None, invoke_without_command=True)
    scenario.callback()(without_command)
    for function, name, short_help, epilog in _COMMANDS:
        scenario.command(name, short_help=short_help, epilog=epilog)(function)
    app.add_typer(scenario, name="scenario", short_help="Reproduce, diagnose, fix and prove documented failures.")


def without_command(context: typer.Context) -> None:
    """Without a command: the help."""
    if context.invoked_subcommand is None:
        streams.to_stderr(context.get_help() + "\n")
        raise typer.Exit(2)


def listing(as_json: _Json = False) -> None:
    """List the scenarios: id, finding, verdict on its claim, environment, title."""
    from gotrace.cli.scenarios.documents import catalogue_as_json
    from gotrace.cli.scenarios.lists import catalogue_as_table
    from gotrace.scenario.loader import catalogue

    known = catalogue()
    streams.to_stdout(catalogue_as_json(known) if as_json else catalogue_as_table(known))


def show(scenario: _One) -> None:
    """Say all that a scenario holds: why it fails, what is claimed and measured, what is run and expected."""
    from gotrace.cli.scenarios import chosen
    from gotrace.reports.escape import safe_block
    from gotrace.scenario.page import page

    streams.to_stdout(safe_block(page(chosen.scenario(scenario))))


def run(
    scenario: _One,
    *,
    act: Annotated[str | None, typer.Option("--act", metavar="NAME", help="Only reproduce, fix-1, fix-2 ...")] = None,
    backend: _Backend = Watching.AUTO,
    sudo: options.Sudo = False,
    install_missing: _Install = False,
    yes: _Yes = False,
    trust: _Trust = False,
    no_color: options.NoColor = False,
) -> None:
    """Perform a scenario, or one act of it, tell gotrace's report of each act, and leave the work folder."""
    from gotrace.cli.scenarios import backends, chosen, installing, performing
    from gotrace.cli.scenarios.stopping import StoppedBy
    from gotrace.errors import UsageError
    from gotrace.scenario.result import Status

    if backend is Watching.BOTH:
        raise UsageError("--backend both: run watches by one", "gotrace scenario verify runs under both")
    [one] = chosen.to_run([scenario], trust=trust)
    wanted = performing.only(one, act)
    [name] = backends.wanted(backend, sudo=sudo)
    if install_missing:
        installing.offer([wanted], yes=yes)
    try:
        result = performing.perform(wanted, name, sudo=sudo, colour=False if no_color else None)
    except StoppedBy as stopped:
        raise typer.Exit(stopped.exit_code) from None
    raise typer.Exit(0 if result.status is Status.PASSED else 1)


def verify(
    scenarios: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID|FILE]...", help="Which; all without.", autocompletion=_completed),
    ] = None,
    *,
    workers: Annotated[int, typer.Option("-j", "--jobs", min=1, max=64, metavar="N", help="So many at a time.")] = 1,
    backend: _Backend = Watching.AUTO,
    sudo: options.Sudo = False,
    as_json: _Json = False,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write JUnit's XML as well.")] = None,
    save_recordings: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Save recordings of what passed: ID.gotrace.zst, ID.fixed.gotrace.zst."),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the work folders, and say where.")] = False,
    install_missing: _Install = False,
    yes: _Yes = False,
    trust: _Trust = False,
    no_color: options.NoColor = False,
) -> None:
    """Perform scenarios: is the failure reproduced, diagnosed, fixed, and what is the verdict on its claim?"""
    from gotrace.cli.scenarios.asked import Asked

    asked = Asked(
        words=tuple(scenarios or ()),
        workers=workers,
        backend=backend,
        sudo=sudo,
        as_json=as_json,
        junit=junit,
        recordings=save_recordings,
        keep=keep,
        install=install_missing,
        yes=yes,
        trust=trust,
        colour=False if no_color else None,
    )
    raise typer.Exit(asked.run())


def new(
    name: Annotated[str, typer.Argument(metavar="ID", help="Lower-case words and hyphens.")],
    *,
    folder: Annotated[Path, typer.Option(metavar="DIR", help="Where to.")] = Path(),
) -> None:
    """Write a scenario to start from: commented, and it runs as it is."""
    from gotrace.capture import privileges
    from gotrace.cli.outputs import acting_as
    from gotrace.cli.scenarios import template

    with acting_as(privileges.invoker()):
        path = template.write(name, folder)
    typed = path if path.is_absolute() else f"./{path}"
    streams.to_stdout(f"{path}\nTry it: gotrace scenario run {typed} --trust\n")


_COMMANDS: tuple[tuple[Callable[..., None], str, str, str], ...] = (
    (listing, "list", "List the scenarios.", _LIST_EPILOG),
    (show, "show", "Say all that a scenario holds.", _SHOW_EPILOG),
    (run, "run", "Perform one, and tell gotrace's report.", _RUN_EPILOG),
    (verify, "verify", "Perform them, a line for each.", _VERIFY_EPILOG),
    (new, "new", "Write a scenario to start from.", _NEW_EPILOG),
)
