"""The protocol every source of events follows, so that the capture layer never knows which one it drives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

from gotrace.events.facets import Facet
from gotrace.events.model import Event, Lost


class Lack(NamedTuple):
    """Something this host lacks for a source, and what to do about it."""

    what: str
    remedy: str
    fatal: bool = True
    """False where the source works without it, with less to see (the capture is then `degraded`)."""
    privilege: bool = False
    """More rights would mend it: a capability, or root."""


class Batch(NamedTuple):
    """Raw records as a source read them, whole records only.

    `live` records (exec, exit, fork, output) are few and must be decoded at once, because what they carry has to be
    filtered before it reaches the disk; the others (failing calls) are many and may be spooled as they are.
    """

    live: bool
    data: bytes


class Decoder(Protocol):
    """Turns raw records into events; made from a capture's `decoder_info`, so that a spool can be read later."""

    def decode(self, data: bytes) -> list[Event]:
        """Events of whole raw records, in the order of the records. Texts are printable but not masked."""
        ...


class Target(NamedTuple):
    """What to follow: the process that runs the child hook, and all that descends from it."""

    cookie: int
    """A random number below 2**64 that the child hook shows to the source, so that it follows that child only."""
    running: bool = False
    """A program's run is followed, not a build: libraries, what is asked of the loader, and signals are seen too."""
    program: str = ""
    """Path of the program that a run begins with: its loader and its libc can be looked into before it starts."""
    stops: bool = True
    """A process that maps a C library not seen before may be stopped until that was looked into."""
    pid: int = 0
    """The process to attach to, with its children; 0: a child is launched."""
    syscalls: bool = False
    """Of a process that is attached to, failing system calls are wanted even where each call costs a stop (ptrace)."""


class ThreadState(Event, frozen=True, kw_only=True, gc=False):
    """A thread's registers and its stack, for the capture layer to unwind.

    It may hold anybody's secrets, so it is used up by the capture and never part of a recording.
    """

    registers: dict[str, int]
    """By their names in sys/user.h: rip, rsp, rbp, rbx, r8 to r15, rax, rcx, rdx, rsi, rdi."""
    memory: bytes = b""
    """From rsp on, as far as it could be read."""


class Moment(ThreadState, frozen=True, kw_only=True, gc=False, tag="moment"):
    """That at the Signal event right before."""


class CallMoment(ThreadState, frozen=True, kw_only=True, gc=False, tag="call_moment"):
    """That of a failing call: of the SyscallError with the same tid and time, wherever that is among the records.

    Only some calls have one, because it costs more than the call: the frame pointers of the others have to do.
    """

    callers: tuple[int, ...] = ()
    """Return addresses of the goroutine that called the C code that made the call, the innermost first."""


class Capture(Protocol):
    """A running observation of one target. Entering it starts whatever privileged part it has, without waiting."""

    source: str
    observes: frozenset[Facet]
    degraded: tuple[str, ...]
    """Plain sentences on what this capture cannot see here, and why."""
    notes: tuple[str, ...]
    """More such sentences, known once it has stopped."""
    decoder_info: Mapping[str, Any]
    """What `gotrace.sources.choose.decoder` needs to make this capture's decoder again; plain JSON values."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    @property
    def followed(self) -> tuple[int, ...]:
        """Processes that were attached to: the one that was named and its descendants at that moment."""
        ...

    def attach(self, meanwhile: Callable[[], None] | None = None) -> None:
        """Wait until every program is attached: from now on nothing of the target is missed.

        `meanwhile` is called in this thread once the privileged part is at work, so that its time costs the least.
        `observes`, `degraded` and `decoder_info` are final afterwards.

        Raises:
            NotPermittedError: the kernel refuses it.
            CaptureError: it cannot work here; the message says why, the remedy what to do.
        """
        ...

    def child_hook(self) -> None:
        """Run by the launched child right before its execve: presents it to the source."""
        ...

    def batches(self) -> Iterator[Batch]:
        """All raw records that are there now; ends at once when there are none."""
        ...

    def decode(self, batch: Batch) -> list[Event]:
        """Events of one batch. No callback per event."""
        ...

    def gone(self) -> bool:
        """Whether whatever observes is gone: from then on nothing is seen. It is asked all the time, which dates it."""
        ...

    def terminal_writes(self) -> int:
        """How often a followed process wrote to a terminal until now (a progress line must be gone then)."""
        ...

    def stop(self) -> tuple[list[Lost], dict[str, int]]:
        """Stop observing: what was lost, exactly, and the counted noise ("readlink EINVAL": 9601)."""
        ...


class Source(Protocol):
    """A way to observe a target on this host."""

    name: str

    def missing(self, *, sudo: bool = False) -> list[Lack]:
        """What this host lacks; a source with a fatal lack cannot be used. `sudo`: privileges will come through it."""
        ...

    def open(self, target: Target, *, sudo: bool = False) -> Capture:
        """A capture of `target`, not yet entered. `sudo`: start the privileged part through sudo(8)."""
        ...
