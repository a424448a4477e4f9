"""A seccomp filter by which chosen system calls fail with a chosen errno, in this process and all it starts."""

from __future__ import annotations

from collections.abc import Mapping

from gotrace.sources.seccomp import (
    ALLOW,
    ARCHITECTURE,
    AUDIT_ARCHITECTURES,
    ERRNO,
    JUMP_EQUAL,
    LOAD,
    NUMBER,
    RETURN,
    Installable,
    Instruction,
)

__all__ = ["Instruction", "program", "refuse"]


def program(refused: Mapping[int, int]) -> list[Instruction]:
    """The filter: number of a call of x86-64 -> errno. Calls of other ABIs (i386) pass."""
    checks = [
        step
        for number, error in refused.items()
        for step in ((JUMP_EQUAL, 0, 1, number), (RETURN, 0, 0, ERRNO | error))
    ]
    start = [
        (LOAD, 0, 0, ARCHITECTURE),
        (JUMP_EQUAL, 1, 0, AUDIT_ARCHITECTURES["x86_64"]),
        (RETURN, 0, 0, ALLOW),
        (LOAD, 0, 0, NUMBER),
    ]
    return [*start, *checks, (RETURN, 0, 0, ALLOW)]


def refuse(refused: Mapping[int, int]) -> None:
    """Have these calls fail from now on.

    Without CAP_SYS_ADMIN the kernel asks for no_new_privs first (seccomp(2)): sudo does not work inside then.

    Raises:
        OSError: the kernel refuses it.
    """
    try:
        Installable(program(refused)).install()
    except OSError as error:
        raise OSError(error.errno, f"cannot install a seccomp filter: {error.strerror}") from None
