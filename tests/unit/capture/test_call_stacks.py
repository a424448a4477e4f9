"""Which frames a failing call gets: those of its own moment, of a moment that stands for it, or of frame pointers."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from gotrace.capture import call_stacks
from gotrace.capture.naming import Naming
from gotrace.events.model import Event, Frame, Library, SyscallError
from gotrace.sources.base import CallMoment
from tests.unit.elf.unwind_tables import CODE, elf_with_tables

NOBODY = 2**22 + 1
"""No process has this pid (proc(5), pid_max)."""
BASE, STACK = 0x5000_0000, 0x7000_0000
HERE = BASE + 64 + 3 * 56
"""Where the code of `elf_with_tables` is mapped; each of its functions has a frame of 16 bytes."""
CALL = SyscallError(ts_ns=9, pid=NOBODY, tid=NOBODY, syscall="openat", errno=2, paths=("/nowhere",), ip=HERE + 5)


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """A file with unwind tables, mapped into a process that is gone."""
    path = tmp_path / "program"
    path.write_bytes(elf_with_tables(b"\x0e\x10"))
    status = path.stat()
    return Library(
        ts_ns=1, pid=NOBODY, path=str(path), base=BASE, size=0x1000, inode=status.st_ino, device=status.st_dev
    )


def moment(call: SyscallError, returns_to: int = HERE + 7, ip: int = 0) -> CallMoment:
    """Its thread, about to return to a place."""
    memory = (0).to_bytes(8, "little") + returns_to.to_bytes(8, "little")
    registers = {"rip": ip or call.ip, "rsp": STACK}
    return CallMoment(ts_ns=call.ts_ns, pid=call.pid, tid=call.tid, registers=registers, memory=memory)


def addresses(library: Library, calls: list[SyscallError], *moments: Event) -> list[list[int]]:
    """Of the frames of each call, as the file numbers them."""
    naming = Naming()
    assert naming.live([library, *moments]) == naming.live([library])  # none of them is told to anybody
    named = naming.failing_calls([*calls])
    return [[frame.address for frame in call.stack] for call in named if isinstance(call, SyscallError)]


def test_by_the_tables_where_its_moment_is_known(library: Library) -> None:
    assert addresses(library, [CALL], moment(CALL)) == [[CODE + 5, CODE + 7]]


def test_by_frame_pointers_where_there_is_none(library: Library) -> None:
    assert addresses(library, [CALL]) == [[CODE + 5]]


@pytest.mark.parametrize("other", [{"tid": 8}, {"ts_ns": 10}], ids=["of another thread", "of another time"])
def test_a_moment_is_of_one_call(library: Library, other: dict[str, int]) -> None:
    assert addresses(library, [CALL], moment(replace(CALL, **other))) == [[CODE + 5]]


def test_it_stands_for_calls_of_its_kind(library: Library) -> None:
    before, later = replace(CALL, ts_ns=8), replace(CALL, ts_ns=20)
    elsewhere = replace(later, paths=("/elsewhere",))
    refused = replace(later, errno=13)
    assert addresses(library, [before, CALL, later, elsewhere, refused], moment(CALL)) == [
        [CODE + 5, CODE + 7], [CODE + 5, CODE + 7], [CODE + 5, CODE + 7], [CODE + 5], [CODE + 5],
    ]  # fmt: skip


def test_only_what_all_moments_of_a_kind_agree_on(library: Library) -> None:
    calls = [replace(CALL, ts_ns=at) for at in (9, 10, 11)]
    found = addresses(library, calls, moment(calls[0]), moment(calls[1], HERE + 8))
    assert found == [[CODE + 5, CODE + 7], [CODE + 5, CODE + 8], [CODE + 5]]


def test_they_have_to_agree_about_that_time_only(library: Library) -> None:
    second = 1_000_000_000
    first, later = CALL, replace(CALL, ts_ns=5 * second)
    beside_first, beside_later = replace(CALL, ts_ns=second), replace(CALL, ts_ns=6 * second)
    between = replace(CALL, ts_ns=3 * second)
    calls = [first, beside_first, between, later, beside_later]
    assert addresses(library, calls, moment(first), moment(later, HERE + 8)) == [
        [CODE + 5, CODE + 7], [CODE + 5, CODE + 7], [CODE + 5], [CODE + 5, CODE + 8], [CODE + 5, CODE + 8],
    ]  # fmt: skip


def test_not_where_frame_pointers_tell_of_other_callers(library: Library) -> None:
    unreadable = Library(ts_ns=1, pid=NOBODY, path="/gone", base=0x6000_0000, size=0x1000)  # what it calls is not known
    other = replace(CALL, ts_ns=10, stack=(Frame(CALL.ip), Frame(0x6000_0010)))
    naming = Naming()
    naming.live([library, unreadable, moment(CALL)])
    _, named = naming.failing_calls([CALL, other])
    assert isinstance(named, SyscallError)
    assert [frame.ip for frame in named.stack] == [CALL.ip, 0x6000_0010]


def test_with_more_memory_there_may_be_more_frames(library: Library) -> None:
    later = replace(CALL, ts_ns=10)
    cut = replace(moment(CALL), memory=b"")
    assert addresses(library, [CALL, later], cut, moment(later)) == [[CODE + 5], [CODE + 5, CODE + 7]]


def test_who_stands_where_somebody_stood_before_may_have_another_caller(library: Library) -> None:
    calls = [replace(CALL, ts_ns=at, paths=(f"/nowhere/{at}",)) for at in (9, 10, 11)]
    callers = (HERE + 7, HERE + 8, HERE + 7)
    found = addresses(library, calls, *(moment(call, caller) for call, caller in zip(calls, callers, strict=True)))
    assert found == [[CODE + 5, CODE + 7], [CODE + 5, CODE + 8], [CODE + 5, CODE + 7]]


def test_all_are_walked_though_few_are_kept(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_stacks, "_MOST_KEPT", 2)
    calls = [replace(CALL, ts_ns=at, paths=(f"/nowhere/{at}",)) for at in range(2, 12)]
    assert addresses(library, calls, *map(moment, calls)) == [[CODE + 5, CODE + 7]] * 10


def test_where_nothing_is_mapped_the_moment_says_nothing(library: Library) -> None:
    assert addresses(library, [CALL], moment(CALL, ip=4711)) == [[CODE + 5]]
