"""Options that commands take, and the choices they offer."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Backend(StrEnum):
    """Where events may come from."""

    AUTO = "auto"
    EBPF = "ebpf"
    PTRACE = "ptrace"
    NETLINK = "netlink"


class FailOn(StrEnum):
    """From which severity on a finding turns the exit status 0 of a command into 3."""

    NONE = "none"
    WARNING = "warning"
    ERROR = "error"


Output = Annotated[
    Path | None,
    typer.Option(
        "-o", "--output", metavar="FILE", envvar="GOTRACE_OUTPUT", help="Save the recording (.gotrace or .gotrace.zst)."
    ),
]
Reports = Annotated[
    list[str] | None,
    typer.Option(
        "--report",
        metavar="FORMAT:PATH",
        envvar="GOTRACE_REPORT",
        help="Write a report as well: terminal or json; PATH - is stdout. May be repeated.",
    ),
]
BackendOption = Annotated[
    Backend,
    typer.Option(
        "--backend",
        envvar="GOTRACE_BACKEND",
        help="How to watch: ebpf needs root or --sudo, ptrace no privilege, netlink sees only which programs run. "
        "auto takes the first of them that works.",
    ),
]
Sudo = Annotated[
    bool,
    typer.Option(
        "--sudo",
        envvar="GOTRACE_SUDO",
        help="Watch by eBPF: start its privileged part through sudo; the command stays yours.",
    ),
]
User = Annotated[
    str | None,
    typer.Option("--user", metavar="NAME", envvar="GOTRACE_USER", help="As root: run the command as this user."),
]
FailOnOption = Annotated[
    FailOn,
    typer.Option(
        "--fail-on", envvar="GOTRACE_FAIL_ON", help="Exit with 3 on such a finding though the command succeeded."
    ),
]
Quiet = Annotated[
    bool, typer.Option("-q", "--quiet", envvar="GOTRACE_QUIET", help="Show findings only; nothing on a clean run.")
]
Fresh = Annotated[
    bool,
    typer.Option(
        "--fresh",
        envvar="GOTRACE_FRESH",
        help="Build with an empty build cache of its own, so that every package is compiled and seen.",
    ),
]
Timings = Annotated[
    bool, typer.Option("--timings", envvar="GOTRACE_TIMINGS", help="Say on stderr how long each rule took.")
]
NoColor = Annotated[bool, typer.Option("--no-color", envvar="GOTRACE_NO_COLOR", help="No colours in the report.")]
NoProbe = Annotated[
    bool,
    typer.Option("--no-probe", envvar="GOTRACE_NO_PROBE", help="Do not ask go and the compilers about themselves."),
]
NoStops = Annotated[
    bool,
    typer.Option(
        "--no-stops",
        envvar="GOTRACE_NO_STOPS",
        help="Never stop a process to look into a C library not seen before; its first calls of dlopen may be missed.",
    ),
]
Name = Annotated[
    str | None,
    typer.Option("--name", metavar="NAME", envvar="GOTRACE_NAME", help="Attach to the program of that name."),
]
Container = Annotated[
    str | None,
    typer.Option(
        "--container",
        metavar="ID",
        envvar="GOTRACE_CONTAINER",
        help="Attach to the first process of that container, with all others; ID as of docker ps or crictl ps.",
    ),
]
Duration = Annotated[
    float | None,
    typer.Option("--duration", metavar="SECONDS", min=0.0, envvar="GOTRACE_DURATION", help="End after so long."),
]
Interval = Annotated[
    float | None,
    typer.Option(
        "--interval",
        metavar="SECONDS",
        min=0.1,
        envvar="GOTRACE_INTERVAL",
        help="Say a line on stderr so often, in place of the live view.",
    ),
]
Syscalls = Annotated[
    bool,
    typer.Option(
        "--syscalls",
        envvar="GOTRACE_SYSCALLS",
        help="By ptrace: see failing system calls as well. Each call of the program then costs two stops.",
    ),
]
