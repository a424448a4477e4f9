"""How a failure of gotrace itself is told, and its exit code."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

import typer

from gotrace.cli.streams import ReaderGoneError
from gotrace.errors import CommandError, GotraceError

BUILD_FAILED = 125
"""gotrace could not do its work where the exit code is otherwise the command's own, as env(1) and docker(1) have it."""
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]
_ClickError: type[Exception] = typer.BadParameter.__mro__[2]


def exit_code_of(error: Exception, arguments: list[str]) -> int:
    """2, or what build and run give: 126 and 127 for the command, 125 for all else. A broken pipe is no failure."""
    if isinstance(error, ReaderGoneError):
        return 128 + 13
    if isinstance(error, CommandError):
        return error.exit_code
    if arguments[:1] in (["build"], ["run"]):
        return BUILD_FAILED
    return error.exit_code if isinstance(error, GotraceError) else 2


def explain_failure(error: BaseException) -> str:
    """One line with what is wrong, and one with the next step where there is one; empty for a broken pipe."""
    from gotrace.reports.escape import safe_line

    if isinstance(error, ReaderGoneError):
        return ""
    message, remedy = _message_and_remedy(error)
    lines = f"gotrace: error: {safe_line(message)}\n" + (f"  {safe_line(remedy)}\n" if remedy else "")
    if os.environ.get("GOTRACE_DEBUG", "") not in {"", "0"}:
        lines = "".join(traceback.format_exception(error)) + lines
    return lines


def _message_and_remedy(error: BaseException) -> tuple[str, str]:
    if isinstance(error, GotraceError):
        return error.message, error.remedy
    if isinstance(error, _ClickError):
        message = _plain(str(getattr(error, "format_message", error.__str__)()))
        context = getattr(error, "ctx", None)
        usage = (
            f"{context.command_path} --help shows what it takes" if isinstance(error, _UsageError) and context else ""
        )
        return message[:1].lower() + message[1:], usage
    if isinstance(error, typer.Abort):
        return "aborted", ""
    if isinstance(error, OSError):
        cause = error.strerror or str(error)
        return f"{error.filename}: {cause}" if error.filename else cause, ""
    return (
        f"{type(error).__name__}: {error} (at {_place_of(error)})",
        "this is a bug in gotrace; GOTRACE_DEBUG=1 shows more",
    )


def _plain(message: str) -> str:
    """What typer says, on one line and without its list of all ways to write yes and no."""
    line = " ".join(message.split()).rstrip(".").replace("Value error, ", "")
    value, not_boolean, _ = line.partition(" is not a valid boolean")
    return f"{value} is neither 1 nor 0" if not_boolean else line


def _place_of(error: BaseException) -> str:
    """File and line of the innermost frame."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "an unknown place"
