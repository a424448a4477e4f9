"""Which system calls stop a traced process, and what is asked of each stop.

A stop costs some ten microseconds, so only calls stop that say what breaks a build: those that take a path, execs,
what is written to stderr, and ptrace(2) itself, which fails because we are the tracer. Left out are `readlink` and
`readlinkat`, which gcc and ld make fifty thousand times in a build to resolve names that are no links, and
`newfstatat` and `statx` with AT_EMPTY_PATH, which are fstat(2) and take no path.

`clone` and `clone3` stop, unseen by anybody else, where CLONE_UNTRACED might be asked for (Breakpad does): the tracer
takes it away. The child would have our filter, but no tracer, and each observed call of it would return ENOSYS.

Where a program's run is followed, calls without a path stop as well that ask for what a program lives on (threads,
memory, sockets, polls, rights): they are few, and their failure is what ends it. So do calls of numbers that have no
name yet, and those by which a program gets a seccomp filter of its own: what that refuses never comes to our filter,
for an errno outranks a stop (seccomp(2)), so that from then on all calls have to stop.

Reads of a clock that the vDSO serves stop as well in a run, to be counted: where the vDSO does its work there are none.
"""

from __future__ import annotations

import errno
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
    """Interesting when it is made, and if it succeeds. So is `SOCKET_ERROR`."""
    CLONE = 3
    """Its first argument are the flags."""
    CLONE3 = 4
    """Its first argument points to a struct clone_args, which begins with the flags (clone(2))."""
    FILTER = 5
    """As FAILURE; and it may put a filter on the program that refuses calls before ours is asked."""
    CLOCK = 6
    """It reads a clock: only that it is made is of interest."""


class Call(NamedTuple):
    """One call that stops."""

    abi: int
    """Position in `ABIS`."""
    number: int
    name: str
    kind: Kind
    paths: tuple[int, ...]
    """Positions, from 1, of its path arguments."""
    address: int = 0
    """Position, from 1, of the socket address it names (`gotrace.sources.syscalls`)."""

    @property
    def mark(self) -> int:
        """ABI and number in the 16 bits that a seccomp filter can tell its tracer (SECCOMP_RET_DATA)."""
        return self.abi << _NUMBER_BITS | self.number


_OF_PROGRAMS: Final = frozenset(
    {"accept", "accept4", "bind", "connect", "listen", "socket", "socketpair", "setsockopt"}
    | {"dup", "dup2", "dup3", "pipe", "pipe2", "eventfd", "eventfd2", "signalfd", "signalfd4", "memfd_create"}
    | {"epoll_create", "epoll_create1", "epoll_pwait2", "inotify_init", "inotify_init1", "timerfd_create"}
    | {"io_uring_setup", "io_uring_enter", "io_uring_register", "io_setup", "userfaultfd", "perf_event_open", "bpf"}
    | {"mmap", "mmap2", "mremap", "mprotect", "brk", "mlock", "mlock2", "mlockall", "mbind", "set_mempolicy"}
    | {"fork", "vfork", "setns", "unshare", "pidfd_open", "process_vm_readv", "process_vm_writev", "kcmp"}
    | {"setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups", "capset", "setfsuid"}
    | {"setrlimit", "prlimit64", "setpriority", "sched_setscheduler", "sched_setattr", "sched_setaffinity"}
    | {"clock_settime", "settimeofday", "sethostname", "setdomainname", "reboot", "syslog", "iopl", "ioperm", "keyctl"}
    | {"add_key", "request_key", "personality", "landlock_create_ruleset", "landlock_restrict_self", "fanotify_init"}
    | {"finit_module", "init_module", "getrandom", "membarrier", "rseq", "close_range", "copy_file_range", "pkey_alloc"}
    | {"futex_waitv", "ioprio_set"}
)
"""Calls without a path that stop where a program's run is followed."""
_CLOCKS: Final = frozenset({"clock_gettime", "gettimeofday", "time"})
SERVED_CLOCKS: Final = (0, 1, 4, 5, 6, 7, 11)
"""CLOCK_REALTIME, _MONOTONIC, _MONOTONIC_RAW, both _COARSE, _BOOTTIME and _TAI: the vDSO serves no other of
clock_gettime(2) (the kernel's lib/vdso/gettimeofday.c)."""
_FILTERS: Final = frozenset({"seccomp", "prctl"})
SOCKET_ERROR: Final = "getsockopt"
"""By it a program learns what became of a connect that returned EINPROGRESS: see connecting.py."""
SOL_SOCKET: Final = 1
SO_ERROR: Final = 4
PR_SET_SECCOMP: Final = 22


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
def of_programs() -> tuple[Call, ...]:
    """All calls that stop beside these where a program's run is followed; each only says that it failed."""
    known = {call.mark for call in observed()}
    found = [
        Call(ABIS.index(call.abi), call.number, call.name, _kind_in_runs(call.name), (), call.address)
        for call in syscalls.table()
        if call.abi in ABIS
        and (call.name in _OF_PROGRAMS | _FILTERS or (call.abi, call.name) == (ABIS[0], SOCKET_ERROR))
    ]
    return tuple(call for call in found if call.mark not in known)


def _kind_in_runs(name: str) -> Kind:
    if name == SOCKET_ERROR:
        return Kind.WRITE
    return Kind.FILTER if name in _FILTERS else Kind.FAILURE


@cache
def clock_reads() -> tuple[Call, ...]:
    """Those that read a clock, of 64-bit programs: all calls of a 32-bit one come from its vDSO."""
    return tuple(
        Call(ABIS.index(call.abi), call.number, call.name, Kind.CLOCK, ())
        for call in syscalls.table()
        if call.name in _CLOCKS and call.abi == "x86_64"
    )


def asks_the_vdso(name: str, clock: int) -> bool:
    """Whether such a call would be none where the vDSO serves; `clock` is its first argument."""
    return name != "clock_gettime" or clock & 0xFFFFFFFF in SERVED_CLOCKS


@cache
def by_mark() -> dict[int, Call]:
    """The calls that have a name, by their marks."""
    return {call.mark: call for call in (*observed(), *of_programs(), *births(), *clock_reads())}


@cache
def numbered() -> dict[int, int]:
    """By ABI the number from which on calls have no name."""
    return {
        position: 1 + max(call.number for call in syscalls.table() if call.abi == abi)
        for position, abi in enumerate(ABIS)
    }


def call_of(mark: int) -> Call | None:
    """The call of a mark: one that has no name yet is `syscall_NNN`; None for a mark of no call that stops."""
    abi, number = divmod(mark, 1 << _NUMBER_BITS)
    if number >= numbered().get(abi, number + 1):
        return Call(abi, number, f"syscall_{number}", Kind.FAILURE, ())
    return by_mark().get(mark)


@cache
def noise() -> dict[int, frozenset[int]]:
    """By the mark of a call the errors that healthy programs get of it all the time.

    A connect that goes on is none of them: see connecting.py.
    """
    return {
        ABIS.index(call.abi) << _NUMBER_BITS | call.number: frozenset(getattr(errno, name) for name in call.noise)
        for call in syscalls.table()
        if call.abi in ABIS and call.noise and (call.abi, call.name) != (ABIS[0], "connect")
    }
