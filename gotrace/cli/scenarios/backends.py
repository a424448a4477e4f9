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


def wanted(watching: Watching, *, sudo: bool = False) -> dict[str, str]:
    """The backends to use, each with why it cannot be used here; empty: it works.

    `sudo`: it gives eBPF the privilege that this process lacks.

    Raises:
        GotraceError: none of them works, or sudo is asked for and does not let us.
    """
    if watching is Watching.AUTO:
        return {_best(sudo=sudo): ""}
    names = SEEING_ENOUGH if watching is Watching.BOTH else (watching.value,)
    through_sudo = {name: sudo and (name == "ebpf" or len(names) == 1) for name in names}
    errors = {name: error for name in names if (error := _obstacle(name, sudo=through_sudo[name])) is not None}
    if "ebpf" in names and "ebpf" not in errors:
        _try_sudo(wanted=sudo)
    if len(errors) == len(names):
        raise errors[names[0]]
    return {name: _in_words(errors.get(name)) for name in names}


def _best(*, sudo: bool) -> str:
    errors: list[GotraceError] = []
    for name in SEEING_ENOUGH:
        error = _obstacle(name, sudo=sudo and name == "ebpf")
        if error is None:
            _try_sudo(wanted=sudo and name == "ebpf")
            return name
        errors.append(error)
    raise GotraceError("; ".join(one.message for one in errors), "; ".join(one.remedy for one in errors))


def _try_sudo(*, wanted: bool) -> None:
    from gotrace.scenario import privileged

    if not (wanted and privileged.needs_sudo("ebpf")):
        return
    try:
        privileged.try_sudo()
    except NotPermittedError as error:
        remedy = "see what `sudo -v` says; without --sudo, --backend ptrace needs no privilege"
        raise NotPermittedError(error.message, remedy) from None


def _obstacle(name: str, *, sudo: bool) -> GotraceError | None:
    from gotrace.sources.choose import choose

    try:
        choose(name, sudo=sudo)
    except NotPermittedError as error:
        remedy = "run gotrace scenario as root" if sudo else "add --sudo, or run gotrace scenario as root"
        return NotPermittedError(error.message, remedy)
    except GotraceError as error:
        return error
    return None


def _in_words(error: GotraceError | None) -> str:
    if error is None:
        return ""
    return f"{error.message} ({error.remedy})" if error.remedy else error.message
