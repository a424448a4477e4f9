"""The sentences on what a capture did not see, or changed."""

from __future__ import annotations

import errno

import pytest

from gotrace.capture.gaps import gaps
from gotrace.events.model import ClockReads, Exec, KnownEvent, Lost, SyscallError


def ran(path: str, *, suppressed: bool = True) -> Exec:
    return Exec(ts_ns=1, pid=5, path=path, argv=(path,), suppressed=suppressed)


def sentences(*events: KnownEvent, source: str = "ptrace", lost: list[Lost] | None = None, outliving: int = 0) -> str:
    return "\n".join(gaps(source, events, lost or [], range(outliving)))


def test_nothing_is_said_where_nothing_was_changed() -> None:
    failed = SyscallError(ts_ns=1, pid=5, syscall="openat", errno=errno.EPERM, paths=("/x",))
    assert sentences(ran("/bin/true", suppressed=False), failed) == ""


def test_programs_that_lost_their_privilege_are_named_once_and_three_at_most() -> None:
    assert sentences(ran("/usr/bin/sudo"), ran("/usr/bin/sudo")) == (
        "/usr/bin/sudo ran without its set-user-ID privilege or file capabilities, as every program does that an "
        "ordinary user traces; under eBPF (--sudo) they are kept"
    )
    assert sentences(*(ran(f"/bin/{name}") for name in "abcde")).startswith(
        "/bin/a, /bin/b, /bin/c and 2 more ran without their set-user-ID privilege"
    )


@pytest.mark.parametrize(
    ("call", "number", "told"),
    [("ptrace", errno.EPERM, True), ("ptrace", errno.ESRCH, False), ("openat", errno.EPERM, False)],
)
def test_a_debugger_that_could_not_trace_is_told(call: str, number: int, *, told: bool) -> None:
    event = SyscallError(ts_ns=1, pid=5, syscall=call, errno=number)
    assert ("one tracer at a time" in sentences(event, event)) is told
    assert len(sentences(event, event).splitlines()) == told
    assert sentences(event, source="ebpf") == ""


@pytest.mark.parametrize(
    ("source", "outliving", "said"),
    [
        ("ebpf", 0, ""),
        ("ebpf", 1, "1 process still ran when the command ended, followed no longer"),
        ("netlink", 2, "2 processes still ran when the command ended, followed no longer"),
        (
            "ptrace",
            1,
            "1 process still ran when the command ended, followed no longer; the tracer stays with it until it ends",
        ),
        (
            "ptrace",
            2,
            "2 processes still ran when the command ended, followed no longer; the tracer stays with them until they "
            "end",
        ),
    ],
)
def test_who_outlived_the_command(source: str, outliving: int, said: str) -> None:
    assert sentences(source=source, outliving=outliving) == said


@pytest.mark.parametrize(
    ("source", "count", "told"), [("ptrace", 600, True), ("ptrace", 499, False), ("ebpf", 600, False)]
)
def test_that_reads_of_the_clock_were_slowed_down(source: str, count: int, told: bool) -> None:
    reads = [ClockReads(ts_ns=5, pid=7, syscall="time", count=count, began_ns=1, ip=ip) for ip in (1, 2)]
    assert (f"each of {2 * count} reads of the clock was a system call" in sentences(*reads, source=source)) is told


def test_a_loss_of_unknown_extent_is_told_with_its_reason() -> None:
    cut = Lost(ts_ns=9, pid=0, what="unknown", count=1, since_ns=5, reason="the collector ended", exact=False)
    counted = Lost(ts_ns=9, pid=0, what="exec", count=1, since_ns=5, reason="the ring was full")
    assert sentences(source="ebpf", lost=[counted, cut]) == "the collector ended"
