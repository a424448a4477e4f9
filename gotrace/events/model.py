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

    `path`, `cwd` and all arguments are as the process names them, below its own root folder: `root` is what its mount
    namespace calls that folder, empty where it is the `/` of gotrace (chroot(2)). `mount_namespace` is the inode number
    of /proc/PID/ns/mnt where that is another than gotrace's own, else 0 (namespaces(7)). `stack` are the frames of a
    refused one, the innermost first, where a program's run was watched.
    """

    path: str
    argv: tuple[str, ...] | None = None
    env: dict[str, str] | None = None
    cwd: str | None = None
    error: int = 0
    argv_bytes: int | None = None
    suppressed: bool = False
    root: str = ""
    mount_namespace: int = 0
    stack: tuple[Frame, ...] = ()


class Exit(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="exit"):
    """The last thread of a process is gone: it returned `status`, or `signal` killed it (then `status` is None)."""

    status: int | None = None
    signal: int | None = None
    core: bool = False


class Frame(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A place in code: one frame of a stack, the caller of a function, the instruction that failed.

    `ip` is the address in the process (for a caller: the return address). `module` is the path of the file mapped
    there, `[vdso]`, or empty where nothing is mapped; `address` is the same place as the module's own symbol table
    numbers it. `symbol` is the function, `distance` the bytes from its start. `origin` says whose code it is: go,
    libc, ld.so, vdso, c (any other module's or the program's own C), or empty where nothing is mapped. `file` and
    `line` are where it is in the source, as Go's compiler wrote it down; of C code they are not known.
    """

    ip: int
    module: str = ""
    address: int = 0
    symbol: str = ""
    distance: int = 0
    origin: str = ""
    file: str = ""
    line: int = 0


class SyscallError(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="syscall_error"):
    """A system call that returned an error: `errno` is positive, `paths` its path arguments in call order.

    `syscall` is the name in the table of `abi` (x86_64, i386, x32), or `syscall_NNN` where the table has none.
    `args` are the six raw argument registers, `ip` the instruction after the call. `repeat` counts coalesced calls.
    `stack` are the frames, the innermost first, where the capture looked for them. `address` is the socket address that
    bind, connect and sendto name (`gotrace.events.addresses`), empty where it is not known. `in_progress`: the connect
    returned EINPROGRESS, and this is what the program was told later, when it asked for SO_ERROR.
    """

    abi: str = "x86_64"
    syscall: str
    errno: int
    paths: tuple[str, ...] = ()
    args: tuple[int, ...] = ()
    ip: int = 0
    repeat: int = 1
    stack: tuple[Frame, ...] = ()
    address: str = ""
    in_progress: bool = False


class Library(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="library"):
    """Code entered a process: `size` bytes of the file `path`, from byte `offset` on, were mapped executable at `base`.

    The program itself, its loader and the vDSO (`[vdso]`) are libraries in this sense too. `device` (as in stat(2)) and
    `inode` tell files of one path apart; `build_id` is the file's own identity in hexadecimal digits, where it has one.
    """

    path: str
    base: int
    size: int
    offset: int = 0
    device: int = 0
    inode: int = 0
    build_id: str = ""


class Dlopen(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="dlopen"):
    """A dlopen(3) or dlmopen(3) that returned: `handle` 0 is a failure. `filename` None is the program itself.

    `ts_ns` is the moment of its return, `began_ns` that of its call. `flags` are those of <dlfcn.h>; `namespace` is
    dlmopen's first argument, None for dlopen.
    """

    filename: str | None
    flags: int
    handle: int
    began_ns: int = 0
    namespace: int | None = None
    caller: Frame | None = None


class Dlsym(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="dlsym"):
    """A dlsym(3) or dlvsym(3) that returned: `address` 0 is a symbol that was not found (or whose value is NULL).

    `handle` is that of a dlopen, or a pseudo-handle: 0 is RTLD_DEFAULT, 2**64 - 1 is RTLD_NEXT. `version` is empty
    for dlsym.
    """

    symbol: str
    handle: int
    address: int
    version: str = ""
    caller: Frame | None = None


class Dlerror(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="dlerror"):
    """A dlerror(3) returned `text`, which tells of the last failure of its thread; None is NULL: there was none.

    A NULL is an event only where some thread of the process has met a failure that nobody asked about yet.
    """

    text: str | None
    caller: Frame | None = None


class Signal(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="signal"):
    """A signal that ends a program unless it is caught, at the moment of its delivery to thread `tid`.

    `code` is si_code of sigaction(2); `address` si_addr, the fault's; `sender` the process that sent it (code <= 0).
    `access` is how memory was touched: read, write, execute, or empty. `handled`: the program catches it, as Go does
    with all of them, and may survive. `ip` and `sp` are the thread's. `instruction` are the bytes there in hexadecimal
    digits, where they can be read. `stack` are the C frames, then the Go frames that called into C, innermost first.
    """

    signal: int
    code: int = 0
    address: int = 0
    sender: int = 0
    access: str = ""
    handled: bool = False
    ip: int = 0
    sp: int = 0
    instruction: str = ""
    stack: tuple[Frame, ...] = ()


class ClockReads(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="clock_reads"):
    """A process read the clock by `count` system calls `syscall` from one place in its code, `began_ns` to `ts_ns`.

    Calls that succeeded (by ptrace: that were made), and only of clocks that the vDSO serves: where it does its work
    there are none (vdso(7)). `ip` is the instruction after the call, `place` whose code that is.
    """

    syscall: str
    count: int
    began_ns: int
    ip: int = 0
    place: Frame | None = None


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


KnownEvent = (
    Fork | Exec | Exit | SyscallError | Library | Dlopen | Dlsym | Dlerror | Signal | ClockReads | Output | Fact | Lost
)
