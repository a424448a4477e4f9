"""Events: one frozen struct for each kind of thing that a source or the capture layer can report.

The tag (`kind`) is also the key in recordings, so it never changes its meaning. Texts that came from the traced
system went through `gotrace.events.text.printable`: undecodable bytes are `\\xNN`, a literal backslash is `\\\\`.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag_field="kind"):
    """What all events carry.

    `ts_ns` is CLOCK_MONOTONIC in nanoseconds; `seq` breaks ties between events of one recording. `pid` (the kernel's
    tgid) and `tid` are as gotrace's own PID namespace numbers them; `ns_pid` is the process's pid in its innermost
    namespace where that differs.
    """

    ts_ns: int
    pid: int
    tid: int = 0
    seq: int = 0
    ns_pid: int | None = None


class Fork(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="fork"):
    """`pid` made a new process (never a thread)."""

    child_pid: int


class Exec(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="exec"):
    """An execve(2) or execveat(2), successful (`error` 0) or refused (`error` is the positive errno).

    `argv`, `env` and `cwd` are None where they could not be read (a failed attempt has no `env` and no `cwd`).
    `env` holds allow-listed variables only. `argv_bytes` is the true length in bytes of an argument vector that
    was cut (0 where even that is not known), or None for a whole one. `suppressed`: a set-user-ID or set-group-ID
    program, or one with file capabilities, that ran without that privilege because it was traced by an ordinary user.
    """

    path: str
    argv: tuple[str, ...] | None = None
    env: dict[str, str] | None = None
    cwd: str | None = None
    error: int = 0
    argv_bytes: int | None = None
    suppressed: bool = False


class Exit(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="exit"):
    """The last thread of a process is gone: it returned `status`, or `signal` killed it (then `status` is None)."""

    status: int | None = None
    signal: int | None = None
    core: bool = False


class SyscallError(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="syscall_error"):
    """A system call that returned an error: `errno` is positive, `paths` its path arguments in call order.

    `syscall` is the name in the table of `abi` (x86_64, i386, x32), or `syscall_NNN` where the table has none.
    `args` are the six raw argument registers, `ip` the instruction after the call. `repeat` counts coalesced calls.
    """

    abi: str = "x86_64"
    syscall: str
    errno: int
    paths: tuple[str, ...] = ()
    args: tuple[int, ...] = ()
    ip: int = 0
    repeat: int = 1


class Output(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="output"):
    """Text that a followed tool wrote to its stderr, in the order of its writes. `truncated`: the last one kept."""

    text: str
    fd: int = 2
    truncated: bool = False


class Fact(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="fact"):
    """Something the capture layer learned while it could. `name` says the sort, `subject` the thing, `data` the rest.

    Names and their data are listed in docs/architecture.md ("Facts").
    """

    name: str
    subject: str = ""
    data: dict[str, Any] = {}


class Lost(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="lost"):
    """`count` events of sort `what` (an event kind, or `unknown`) could not be delivered, for `reason`.

    `since_ns` is the earliest moment they may belong to (0: unknown); `ts_ns` the latest. `exact` is False where
    `count` is an upper bound.
    """

    what: str
    count: int
    reason: str
    since_ns: int = 0
    exact: bool = True


class Unknown(msgspec.Struct, frozen=True):
    """An event of a kind that this version does not know, kept as it was read."""

    kind: str
    raw: bytes


KnownEvent = Fork | Exec | Exit | SyscallError | Output | Fact | Lost
