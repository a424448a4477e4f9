"""What one capture did not see, or changed: the sentences that its recording says about that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from gotrace.events.errno import NUMBERS
from gotrace.events.model import ClockReads, Exec, KnownEvent, Lost, SyscallError

_MOST_NAMED = 3
_FEW_READS = 1000
"""Of the clock: so many stops take some hundredths of a second."""


def gaps(source: str, events: Sequence[KnownEvent], lost: Iterable[Lost], outliving: Sequence[int]) -> Iterator[str]:
    """Plain sentences; `outliving` are the processes that still ran when the command had ended, by pid."""
    yield from (one.reason for one in lost if one.what == "unknown" and one.since_ns)
    if source == "ptrace":
        yield from _of_ptrace(events)
    if outliving:
        number = len(outliving)
        whom = "it until it ends" if number == 1 else "them until they end"
        stays = f"; the tracer stays with {whom}" if source == "ptrace" else ""
        yield f"{number} process{'es' * (number > 1)} still ran when the command ended, followed no longer{stays}"


def _of_ptrace(events: Sequence[KnownEvent]) -> Iterator[str]:
    """What being traced itself did to programs of the command (ptrace(2), execve(2))."""
    powerless = dict.fromkeys(event.path for event in events if isinstance(event, Exec) and event.suppressed)
    if powerless:
        yield _without_privilege(list(powerless))
    unread = dict.fromkeys(event.path for event in events if isinstance(event, Exec) and _unreadable(event))
    if unread:
        named = ", ".join(list(unread)[:_MOST_NAMED])
        yield f"{named} may not be read, and so not traced: their arguments, paths and output are not known"
    if any(isinstance(event, SyscallError) and _refused_tracer(event) for event in events):
        yield (
            "a debugger or strace inside the command could not trace: a process has one tracer at a time,"
            " and here that is gotrace; under eBPF (--sudo) both can"
        )

    reads = sum(event.count for event in events if isinstance(event, ClockReads))
    if reads >= _FEW_READS:
        yield (
            f"each of {reads} reads of the clock was a system call that stopped its program, which was slower for it;"
            " under eBPF (--sudo) none does"
        )


def _without_privilege(paths: list[str]) -> str:
    more = len(paths) - _MOST_NAMED
    named = ", ".join(paths[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
    whose = "its" if len(paths) == 1 else "their"
    return (
        f"{named} ran without {whose} set-user-ID privilege or file capabilities, as every program does"
        " that an ordinary user traces; under eBPF (--sudo) they are kept"
    )


def _unreadable(event: Exec) -> bool:
    """A program whose file its user may only execute (mode 0111): ptrace(2), PTRACE_MODE_READ."""
    return event.error == 0 and event.argv is None


def _refused_tracer(event: SyscallError) -> bool:
    return event.syscall == "ptrace" and event.errno == NUMBERS["EPERM"]
