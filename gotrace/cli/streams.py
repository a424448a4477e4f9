"""Writing to stdout and stderr in whatever state they are: closed, a broken pipe, an encoding that lacks a letter."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TextIO


class ReaderGoneError(Exception):
    """Whoever read our stdout has seen enough. No OSError: of a broken pipe typer makes an exit code of its own."""


def to_stdout(text: str) -> None:
    """Write what the user asked for.

    Raises:
        ReaderGoneError: nobody reads it any more.
        OSError: it cannot be written, as on a full disk.
    """
    try:
        _write(sys.stdout, text)
    except BrokenPipeError:
        raise ReaderGoneError from None


def to_stderr(text: str) -> None:
    """Write for the user's eyes. Where stderr cannot be written there is nobody to tell."""
    with contextlib.suppress(OSError, ValueError):
        _write(sys.stderr, text)


def close_quietly() -> None:
    """Keep the interpreter's own flush at its exit from complaining about a stream that is broken by now."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _write(stream: TextIO | None, text: str) -> None:
    if stream is None:
        return
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()
