"""What can go wrong in gotrace itself, each with the exit code the CLI gives it.

Libraries raise; only the outermost function of the CLI prints an error or picks an exit code.
"""

from __future__ import annotations


class GotraceError(Exception):
    """Base of all errors that gotrace raises on purpose.

    `message` names the file or the thing, and the cause; `remedy` is the next step, or empty where there is none.
    """

    exit_code = 2

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class UsageError(GotraceError):
    """The caller asked for something that does not exist or does not fit together."""


class RecordingError(GotraceError):
    """A recording cannot be read (not a recording, unreadable, a newer schema) or cannot be written."""


class CaptureError(GotraceError):
    """A capture could not be started: nothing of the command has run."""


class NotPermittedError(CaptureError):
    """The kernel refuses what a capture needs; `remedy` says who could."""


class IdentityError(NotPermittedError):
    """This process cannot become the user whose command it is, or cannot work as that user; no source changes that."""


class CommandError(GotraceError):
    """The command to trace cannot be executed. Exit code as of a shell: 126 not executable, 127 not found."""

    def __init__(self, message: str, remedy: str = "", *, exit_code: int = 127) -> None:
        super().__init__(message, remedy)
        self.exit_code = exit_code
