"""Which system calls stop a traced process, and what is asked of each stop.

A stop costs some ten microseconds, so only calls stop that say what breaks a build: those that take a path, execs,
what is written to stderr, and ptrace(2) itself, which fails because we are the tracer. Left out are `readlink` and
`readlinkat`, which gcc and ld make fifty thousand times in a build to resolve names that are no links, and
`newfstatat` and `statx` with AT_EMPTY_PATH, which are fstat(2) and take no path.

`clone` and `clone3` stop, unseen by anybody else, where CLONE_UNTRACED might be asked for (Breakpad does): the tracer
takes it away. The child would have our filter, but no tracer, and each observed call of it would return ENOSYS.
"""

from __future__ import annotations

from enum import IntEnum
from functools import cache
from typing import Final, NamedTuple

from gotrace.sources import syscalls

ABIS: Final = ("x86_64", "i386")
_NUMBER_BITS: Final = 12
MARKS: Final = len(ABIS) << _NUMBER_BITS
"""All marks are below it."""

_LEFT_OUT: Final = frozenset({"readlink", "readlinkat"})
_WRITES: Final = frozenset({"write", "writev", "pwrite64"})
_EXECS: Final = frozenset({"execve", "execveat"})
CLONE_UNTRACED: Final = 0x00800000


class Kind(IntEnum):
    """What a stop is for. The numbers are those of stops.c."""

    FAILURE = 0
    """Interesting only if it fails."""
    EXEC = 1
    WRITE = 2
    CLONE = 3
    """Its first argument are the flags."""
    CLONE3 = 4
    """Its first argument points to a struct clone_args, which begins with the flags (clone(2))."""


class Call(NamedTuple):
    """One call that stops."""

    abi: int
    """Position in `ABIS`."""
    number: int
    name: str
    kind: Kind
    paths: tuple[int, ...]
    """Positions, from 1, of its path arguments."""

    @property
    def mark(self) -> int:
        """ABI and number in the 16 bits that a seccomp filter can tell its tracer (SECCOMP_RET_DATA)."""
        return self.abi << _NUMBER_BITS | self.number


@cache
def observed() -> tuple[Call, ...]:
    """All calls that stop, the frequent ones first: the filter asks for one number after the other."""
    found = []
    for call in syscalls.table():
        if call.name in _LEFT_OUT or call.abi not in ABIS:
            continue
        if call.name in _EXECS:
            kind = Kind.EXEC
        elif call.name in _WRITES:
            kind = Kind.WRITE
        elif call.paths or call.name == "ptrace":
            kind = Kind.FAILURE
        else:
            continue
        found.append(Call(ABIS.index(call.abi), call.number, call.name, kind, call.paths))
    return tuple(sorted(found, key=lambda call: (call.abi, _OFTEN.get(call.name, len(_OFTEN)), call.number)))


_OFTEN: Final = {
    name: place for place, name in enumerate(("newfstatat", "openat", "write", "access", "statx", "execve"))
}


@cache
def births() -> tuple[Call, ...]:
    """All calls that stop so that no child escapes."""
    kinds = {"clone": Kind.CLONE, "clone3": Kind.CLONE3}
    return tuple(
        Call(ABIS.index(call.abi), call.number, call.name, kinds[call.name], ())
        for call in syscalls.table()
        if call.name in kinds and call.abi in ABIS
    )


@cache
def by_mark() -> dict[int, Call]:
    """The observed calls by their marks."""
    return {call.mark: call for call in observed()}
