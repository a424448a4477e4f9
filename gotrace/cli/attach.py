"""`gotrace attach`: watch a program that runs already, say what it fails at."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from gotrace.cli import options, streams

_FAILED = 2
_EPILOG = """\b
Examples:
  sudo gotrace attach 4711                      by eBPF: costs next to nothing, and sees every failing call
  gotrace attach --sudo --name server           the same for a program of your own; only a small part runs as root
  gotrace attach --backend ptrace 4711          no privilege needed: libraries, dlopen and dlsym, signals
  sudo gotrace attach --container 3f2a9c --duration 60 -o minute.gotrace
  gotrace attach -q --report json:report.json --duration 10 4711

It ends at ^C, after --duration, or with the program, which runs on as if nothing had happened.

Exit status: 0 nothing found, 1 findings, or the program crashed or failed while it was watched, 2 gotrace could not do
its work: it could not attach, or its watching broke off."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(short_help="Watch a program that runs, and say what it fails at.", epilog=_EPILOG)(attach)


def attach(
    pid: Annotated[
        int | None, typer.Argument(metavar="PID", help="The process to attach to, with its children.")
    ] = None,
    *,
    name: options.Name = None,
    container: options.Container = None,
    duration: options.Duration = None,
    output: options.Output = None,
    report: options.Reports = None,
    backend: options.BackendOption = options.Backend.AUTO,
    sudo: options.Sudo = False,
    interval: options.Interval = None,
    quiet: options.Quiet = False,
    no_color: options.NoColor = False,
    no_probe: options.NoProbe = False,
    no_stops: options.NoStops = False,
    syscalls: options.Syscalls = False,
    timings: options.Timings = False,
) -> None:
    """Attach to a running program and all its children: libraries, dlopen and dlsym, failing system calls, signals.

    While it is watched stderr shows what happens; the report follows at once when that ends.
    """
    from gotrace.cli.attaching import Attaching
    from gotrace.cli.outputs import Outputs

    attaching = Attaching(
        pid=pid,
        name=name,
        container=container,
        seconds=duration,
        backend=backend.value,
        sudo=sudo,
        interval=interval,
        quiet=quiet,
        colour=False if no_color else None,
        probe=not no_probe,
        stops=not no_stops,
        syscalls=syscalls,
        timings=timings,
        outputs=Outputs.asked(output, report, failed=_FAILED),
    )
    code = attaching.run()
    if "pyroute2" in sys.modules:  # to take it down takes Python longer than all the report, and all is written
        streams.close_quietly()
        os._exit(code)
    raise typer.Exit(code)
