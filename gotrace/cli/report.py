"""`gotrace report`: what a recording says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gotrace.cli import options, outputs, preload, streams


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        short_help="Tell what a recording says.",
        epilog="\b\nExamples:\n  gotrace report build.gotrace\n"
        "  gotrace report build.gotrace --format json -o report.json"
        "\n\nExit status: 0 nothing found, 1 findings, 2 the recording could not be read, or not wholly.",
    )(report)


def report(
    recording: Annotated[
        Path, typer.Argument(metavar="RECORDING", help="A file that gotrace build, run or attach -o wrote.")
    ],
    form: Annotated[
        outputs.Format, typer.Option("--format", envvar="GOTRACE_FORMAT", help="How to tell it.")
    ] = outputs.Format.TERMINAL,
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="PATH", help="Where to write it; - is stdout.")
    ] = "-",
    no_color: options.NoColor = False,
    timings: options.Timings = False,
) -> None:
    """Tell what a recording says; needs neither root nor the machine it was made on."""
    from gotrace.api import diagnose, load
    from gotrace.errors import RecordingError, UsageError
    from gotrace.reports.timings import rule_timings

    _be_the_caller()
    destination = outputs.Destination(form, output)
    destination.check()
    if output != "-" and outputs.same_file(recording, Path(output)):
        raise UsageError(f"-o {output}: is the recording itself", "name another file for the report")
    trace = load(recording, allow_newer=True)
    diagnosis = diagnose(trace)
    destination.write(trace, diagnosis, colour=False if no_color else None, timings=timings)
    if timings:
        streams.to_stderr(rule_timings(diagnosis))
    if trace.damage:
        told = form is outputs.Format.TERMINAL and output == "-"
        message = f"not all of {recording} could be read" if told else trace.damage
        raise RecordingError(message, "The report tells what could be read of it.")
    raise typer.Exit(1 if diagnosis.findings else 0)


def _be_the_caller() -> None:
    """Below sudo, open files as the user who called it: root's power reads and writes nobody's files for them."""
    from gotrace.capture import privileges

    who = privileges.invoker()
    if who is not None:
        preload.load_all()
        privileges.become(who)
