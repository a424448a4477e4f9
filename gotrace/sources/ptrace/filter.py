"""The seccomp filter that makes only the observed calls stop, and its installation in the launched child.

The kernel evaluates the filter once for each call number when it is installed, and calls that are allowed by number
alone never run it again (kernel/seccomp.c, seccomp_cache_prepare), so all others cost the tracee next to nothing.
"""

from __future__ import annotations

from typing import Final

from gotrace.sources.ptrace.calls import (
    ABIS,
    CLONE_UNTRACED,
    MARKS,
    PR_SET_SECCOMP,
    SERVED_CLOCKS,
    SO_ERROR,
    SOCKET_ERROR,
    SOL_SOCKET,
    Call,
    Kind,
    births,
    clock_reads,
    numbered,
    observed,
    of_programs,
)
from gotrace.sources.seccomp import (
    ALLOW,
    ARCHITECTURE,
    ARGUMENTS,
    AUDIT_ARCHITECTURES,
    JUMP,
    JUMP_EQUAL,
    JUMP_FROM,
    JUMP_SET,
    LOAD,
    NUMBER,
    OR,
    RETURN,
    RETURN_THAT,
    SPEC_ALLOW,
    TRACE,
    Installable,
    Instruction,
)

__all__ = ["Filter", "Instruction", "program"]

_AT_EMPTY_PATH: Final = 0x1000
_FLAGS_ARGUMENT: Final = {"newfstatat": 3, "fstatat64": 3, "statx": 2}
"""Where (from 0) the flags are that make a call an fstat(2)."""


def program(*, stdout: bool, running: bool = False) -> list[Instruction]:
    """The filter; `stdout`: writes to descriptor 1 stop as well (they are only counted).

    `running`: of a program's run, not of a build.
    """
    per_abi = []
    for position, abi in enumerate(ABIS):
        of_run = (*of_programs(), *clock_reads()) if running else ()
        stopping = [call for call in (*observed(), *of_run, *births()) if call.abi == position]
        calls = [step for call in stopping for step in _for(call, stdout=stdout, running=running)]
        nameless = _nameless(position) if running else []
        body = [(LOAD, 0, 0, NUMBER), *calls, *nameless, (RETURN, 0, 0, ALLOW)]
        per_abi += [(JUMP_EQUAL, 1, 0, AUDIT_ARCHITECTURES[abi]), (JUMP, 0, 0, len(body)), *body]
    return [(LOAD, 0, 0, ARCHITECTURE), *per_abi, (RETURN, 0, 0, ALLOW)]


def _nameless(abi: int) -> list[Instruction]:
    """Stop at calls that have no name yet, with their number in the mark. Numbers of x32 are far above."""
    per_abi = MARKS // len(ABIS)
    return [
        (JUMP_FROM, 0, 3, numbered()[abi]),
        (JUMP_FROM, 2, 0, per_abi),
        (OR, 0, 0, TRACE | abi * per_abi),
        (RETURN_THAT, 0, 0, 0),
    ]


def _for(call: Call, *, stdout: bool, running: bool) -> list[Instruction]:
    """Stop at this call; if it is another one, go on behind these instructions with the number still loaded."""
    stop = (RETURN, 0, 0, TRACE | call.mark)
    if call.name == SOCKET_ERROR:
        then = [
            (LOAD, 0, 0, _argument(1)),
            (JUMP_EQUAL, 0, 3, SOL_SOCKET),
            (LOAD, 0, 0, _argument(2)),
            (JUMP_EQUAL, 0, 1, SO_ERROR),
            stop,
            (RETURN, 0, 0, ALLOW),
        ]
    elif call.kind is Kind.WRITE:
        allow = (RETURN, 0, 0, ALLOW)
        then = [
            (LOAD, 0, 0, _argument(2)),
            (JUMP_EQUAL, 4, 0, 0),  # cmd/go writes zero bytes a hundred times in a build
            (LOAD, 0, 0, _argument(0)),
            (JUMP_EQUAL, 1, 0, 2),
            (JUMP_EQUAL, 0, 1, 1) if stdout else (JUMP, 0, 0, 1),
            stop,
            allow,
        ]
    elif call.kind is Kind.FILTER and call.name == "prctl":
        asked = (JUMP_EQUAL, 0, 1, PR_SET_SECCOMP)
        then = [(LOAD, 0, 0, _argument(0)), asked, stop, (RETURN, 0, 0, ALLOW)]
    elif call.kind is Kind.CLONE and not running:
        asked = (JUMP_SET, 0, 1, CLONE_UNTRACED)
        then = [(LOAD, 0, 0, _argument(0)), asked, stop, (RETURN, 0, 0, ALLOW)]
    elif call.kind is Kind.CLOCK and call.name == "clock_gettime":
        served = [(JUMP_EQUAL, len(SERVED_CLOCKS) - at, 0, clock) for at, clock in enumerate(SERVED_CLOCKS)]
        then = [(LOAD, 0, 0, _argument(0)), *served, (RETURN, 0, 0, ALLOW), stop]
    elif call.name in _FLAGS_ARGUMENT:
        flags = _argument(_FLAGS_ARGUMENT[call.name])
        then = [(LOAD, 0, 0, flags), (JUMP_SET, 0, 1, _AT_EMPTY_PATH), (RETURN, 0, 0, ALLOW), stop]
    else:
        then = [stop]
    return [(JUMP_EQUAL, 0, len(then), call.number), *then]


def _argument(position: int) -> int:
    return ARGUMENTS + 8 * position


class Filter(Installable):
    """The filter. Its flag: or kernels before 5.16 would slow the tracee down by guarding it against speculation."""

    def __init__(self, *, stdout: bool, running: bool = False) -> None:
        super().__init__(program(stdout=stdout, running=running), flags=SPEC_ALLOW)
