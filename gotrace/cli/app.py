"""The command `gotrace`: its commands, and the only place that prints errors and picks exit codes."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from gotrace.cli import attach, build, completion, doctor, environment, explain, report, rules, run, scenario, streams
from gotrace.cli.failures import exit_code_of, explain_failure

app = typer.Typer(
    name="gotrace",
    help="Say why a cgo build or a Go binary fails: what broke, the evidence, and the fix that works.",
    epilog="\b\nExamples:\n"
    "  gotrace build -- go build ./...          watch a build, then say what broke\n"
    "  gotrace run -- ./app                     watch a program: libraries, dlopen, failing calls, crashes\n"
    "  sudo gotrace attach PID                  the same of a program that runs already\n"
    "  gotrace doctor                           what this machine can do\n"
    "  gotrace explain wrong-target-compiler    what a finding means",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (build, run, attach, report, doctor, explain, rules, scenario, completion):
    command.register(app)


@app.callback(invoke_without_command=True)
def gotrace(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Without a command: the version, or the help."""
    if version:
        from gotrace import __version__

        streams.to_stdout(f"gotrace {__version__}\n")
        raise typer.Exit(0)
    if context.invoked_subcommand is None:
        streams.to_stderr(context.get_help() + "\n")
        raise typer.Exit(2)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: never with a traceback, always with a code of the CLI's contract."""
    given = sys.argv[1:] if arguments is None else arguments
    environment.restore()
    completion.prepare()
    try:
        code = app(given, prog_name="gotrace", standalone_mode=False) or 0
    except Exception as error:
        code = exit_code_of(error, given)
        streams.to_stderr(explain_failure(error))
    except KeyboardInterrupt:
        code = 130
    streams.close_quietly()
    sys.exit(code)
