"""Which backends a scenario is to be watched by, and which of them work here."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from gotrace.errors import GotraceError, NotPermittedError


class Watching(StrEnum):
    """What may be asked for."""

    AUTO = "auto"
    EBPF = "ebpf"
    PTRACE = "ptrace"
    BOTH = "both"


SEEING_ENOUGH: Final = ("ebpf", "ptrace")
"""Backends that see all that the rules need, the better one first."""


def wanted(watching: Watching) -> dict[str, str]:
    """The backends to use, each with why it cannot be used here; empty: it works.

    Raises:
        GotraceError: none of them works.
    """
    if watching is Watching.AUTO:
        return {_best(): ""}
    names = SEEING_ENOUGH if watching is Watching.BOTH else (watching.value,)
    errors = {name: error for name in names if (error := _obstacle(name)) is not None}
    if len(errors) == len(names):
        raise errors[names[0]]
    return {name: _in_words(errors.get(name)) for name in names}


def _best() -> str:
    errors: list[GotraceError] = []
    for name in SEEING_ENOUGH:
        error = _obstacle(name)
        if error is None:
            return name
        errors.append(error)
    raise GotraceError("; ".join(one.message for one in errors), "; ".join(one.remedy for one in errors))


def _obstacle(name: str) -> GotraceError | None:
    from gotrace.sources.choose import choose

    try:
        choose(name)
    except NotPermittedError as error:
        return NotPermittedError(error.message, "run gotrace scenario as root")
    except GotraceError as error:
        return error
    return None


def _in_words(error: GotraceError | None) -> str:
    if error is None:
        return ""
    return f"{error.message} ({error.remedy})" if error.remedy else error.message
