"""Names of frames: the mappings of this very process stand for those of a followed one."""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gotrace.capture.mappings import Mapping
from gotrace.capture.modules import Modules
from gotrace.capture.naming import Naming
from gotrace.capture.unwinding import Step
from gotrace.events.model import ClockReads, Dlerror, Dlopen, Dlsym, Event, Frame, Library, Signal, SyscallError
from gotrace.sources.base import Moment
from tests.unit.elf.unwind_tables import CODE, elf_with_tables

PID = os.getpid()
NOBODY = 2**22 + 1
"""No process has this pid (proc(5), pid_max)."""
BASE = 0x5000_0000


def own_libraries() -> Iterator[Library]:
    """What is mapped here, as a source would tell."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, flags, offset, device, inode, *path = line.split(None, 5)
        if "x" not in flags or not path or path[0].startswith("[vs"):
            continue
        start, end = (int(part, 16) for part in span.split("-"))
        major, minor = (int(part, 16) for part in device.split(":"))
        yield Library(
            ts_ns=1,
            pid=PID,
            path=path[0],
            base=start,
            size=end - start,
            offset=int(offset, 16),
            device=os.makedev(major, minor),
            inode=int(inode),
        )


def address_of(name: str) -> int:
    """Where a function of the C library is in this process."""
    return ctypes.cast(getattr(ctypes.CDLL(None), name), ctypes.c_void_p).value or 0


def test_where_the_clock_was_read_is_named_once_all_is_over() -> None:
    ip = address_of("getppid") + 7
    naming = Naming()
    naming.live(list(own_libraries()))
    reads = ClockReads(ts_ns=5, pid=PID, syscall="clock_gettime", count=3, began_ns=2, ip=ip)
    (named,) = naming.failing_calls([reads])
    assert isinstance(named, ClockReads)
    assert named.place is not None
    assert (named.place.ip, named.place.symbol) == (ip, "getppid")


def test_a_caller_is_named_by_the_byte_before_the_return_address() -> None:
    ip = address_of("getppid") + 5
    callers: list[Event] = [
        Dlopen(ts_ns=5, pid=PID, filename="libfoo.so", flags=1, handle=0, caller=Frame(ip)),
        Dlsym(ts_ns=5, pid=PID, symbol="foo", handle=0, address=0, caller=Frame(ip)),
        Dlerror(ts_ns=5, pid=PID, text="no", caller=Frame(ip)),
        Dlerror(ts_ns=5, pid=PID, text="no"),
    ]
    named = Naming().live([*own_libraries(), *callers])[-4:]
    for event in named[:3]:
        assert isinstance(event, Dlopen | Dlsym | Dlerror)
        frame = event.caller
        assert frame is not None
        assert (frame.ip, frame.symbol, frame.distance) == (ip, "getppid", 5)
        assert frame.origin in ("libc", "c")
        assert frame.module.startswith("/")
    assert named[3] == callers[3]


def test_the_vdso_is_read_from_our_own_memory() -> None:
    vdso = next(library for library in own_libraries() if library.path == "[vdso]")
    naming = Naming()
    naming.live([vdso])
    found = {
        naming.frame(PID, 5, step).symbol
        for step in [_at(vdso.base + offset) for offset in range(0x400, min(vdso.size, 0x2000), 16)]
    }
    assert {name for name in found if "clock_gettime" in name}
    assert naming.frame(PID, 5, _at(vdso.base + 0x400)).origin == "vdso"


def _at(ip: int) -> Step:
    return Step(ip, returning=False)


@dataclass
class Copy:
    """A copy of the C library, as it would be mapped into a process that is gone."""

    path: Path
    library: Library
    ip: int
    """In its getppid."""

    def named(self, naming: Naming) -> Frame:
        return naming.frame(NOBODY, 5, _at(self.ip))


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    address = address_of("getppid")
    own = next(library for library in own_libraries() if 0 <= address - library.base < library.size)
    path = tmp_path / "libcopy.so"
    shutil.copyfile(own.path, path)
    status = path.stat()
    library = replace(own, pid=NOBODY, path=str(path), base=BASE, device=status.st_dev, inode=status.st_ino)
    return Copy(path, library, BASE + address - own.base)


def test_a_file_is_named_by_its_own_path_when_its_process_is_gone(copy: Copy) -> None:
    naming = Naming()
    naming.live([copy.library])
    assert copy.named(naming) == Frame(
        copy.ip, str(copy.path), copy.named(naming).address, symbol="getppid", distance=0, origin="c"
    )


def test_a_file_that_was_open_in_time_may_be_deleted(copy: Copy) -> None:
    naming = Naming()
    naming.live([copy.library])
    copy.path.unlink()
    assert copy.named(naming).symbol == "getppid"


@pytest.mark.parametrize("change", ["replaced", "deleted", "fifo", "other device", "other inode", "no program"])
def test_another_file_of_that_name_is_not_believed(copy: Copy, change: str) -> None:
    library = copy.library
    if change == "other device":
        library = replace(library, device=library.device + 1)
    elif change == "other inode":
        library = replace(library, inode=library.inode + 1)
    elif change == "replaced":
        other = copy.path.with_name("other")
        shutil.copyfile(copy.path, other)
        other.replace(copy.path)
    elif change == "no program":
        copy.path.write_text("#!/bin/sh")
    else:
        copy.path.unlink()
        if change == "fifo":
            os.mkfifo(copy.path)
    naming = Naming()
    naming.live([library])
    assert copy.named(naming) == Frame(copy.ip, str(copy.path), origin="c")


def test_a_file_is_told_apart_by_its_build_id(copy: Copy) -> None:
    (named,) = Naming().live([copy.library])
    assert isinstance(named, Library)
    assert named == replace(copy.library, build_id=named.build_id)
    assert len(bytes.fromhex(named.build_id)) == 20
    copy.path.write_bytes(b"")
    assert Naming().live([copy.library]) == [copy.library]


def test_where_nothing_is_mapped_there_is_only_the_address() -> None:
    assert Naming().frame(NOBODY, 5, _at(4711)) == Frame(4711)


def test_the_stacks_of_failing_calls_are_named_when_the_capture_has_ended(copy: Copy) -> None:
    naming = Naming()
    naming.live([copy.library])
    call = SyscallError(ts_ns=9, pid=NOBODY, syscall="openat", errno=2, ip=copy.ip + 5, stack=(Frame(copy.ip + 5),))
    without, other = replace(call, stack=()), replace(call, ip=0, stack=())
    named = naming.failing_calls([call, without, other])
    for event in named[:2]:
        assert isinstance(event, SyscallError)
        assert [(frame.symbol, frame.distance) for frame in event.stack] == [("getppid", 5)]
    assert named[2] == other


def test_a_signal_without_a_moment_keeps_the_frames_that_can_be(copy: Copy) -> None:
    naming = Naming()
    stack = (Frame(copy.ip), Frame(3))
    signal = Signal(ts_ns=9, pid=NOBODY, tid=NOBODY, signal=11, ip=copy.ip, stack=stack)
    (_, named) = naming.live([copy.library, signal])
    assert isinstance(named, Signal)
    assert [frame.symbol for frame in named.stack] == ["getppid"]


def test_moments_are_used_up_whosever_they_are(copy: Copy) -> None:
    stray = Moment(ts_ns=9, pid=NOBODY, tid=7, registers={"rip": 1, "rsp": 2}, memory=b"secret")
    signal = Signal(ts_ns=9, pid=NOBODY, tid=8, signal=11, ip=copy.ip)
    named = Naming().live([copy.library, stray, signal, stray])
    assert [type(event) for event in named] == [Library, Signal]
    assert isinstance(named[1], Signal)
    assert [frame.ip for frame in named[1].stack] == [copy.ip]


def test_unwinding_goes_by_the_tables_of_the_file(tmp_path: Path) -> None:
    """The innermost function has a frame of 16 bytes; who called it is where nothing tells of calls: the end."""
    path = tmp_path / "program"
    path.write_bytes(elf_with_tables(b"\x0e\x10"))
    status = path.stat()
    library = Library(ts_ns=1, pid=NOBODY, path=str(path), base=BASE, size=0x1000, inode=status.st_ino)
    library = replace(library, offset=0, device=status.st_dev)
    code = BASE + 64 + 3 * 56
    memory = (0).to_bytes(8, "little") + (code + 7).to_bytes(8, "little")
    registers = {"rip": code + 5, "rsp": 0x7000_0000}
    signal = Signal(ts_ns=9, pid=NOBODY, tid=NOBODY, signal=11, ip=code + 5)
    moment = Moment(ts_ns=9, pid=NOBODY, tid=NOBODY, registers=registers, memory=memory)
    (_, named) = Naming().live([library, signal, moment])
    assert isinstance(named, Signal)
    assert [(frame.ip, frame.address) for frame in named.stack] == [(code + 5, CODE + 5), (code + 7, CODE + 7)]


def test_files_are_opened_once_and_let_go(copy: Copy) -> None:
    modules = Modules()
    library = copy.library
    mapping = Mapping(1, BASE, BASE + library.size, 0, library.path, library.device, library.inode)
    before = len(list(Path("/proc/self/fd").iterdir()))
    assert modules.of(mapping, NOBODY) is modules.of(mapping._replace(base=BASE + 1), NOBODY)
    assert len(list(Path("/proc/self/fd").iterdir())) == before + 1
    modules.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


STACK = 0x7000_0000
WORDS = st.one_of(
    st.integers(0, 2**64 - 1),
    st.integers(0, 1 << 20).map(lambda at: BASE + at),
    st.integers(0, 99).map(lambda n: STACK + 8 * n),
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.sampled_from(["rip", "rsp", "rbp", "rbx", "r12"]), WORDS),
    st.lists(WORDS, max_size=64),
    st.lists(WORDS, max_size=8),
)
def test_no_registers_and_no_memory_break_it(
    copy: Copy, registers: dict[str, int], words: list[int], chain: list[int]
) -> None:
    memory = b"".join(word.to_bytes(8, "little") for word in words)
    stack = tuple(Frame(ip) for ip in chain)
    signal = Signal(ts_ns=9, pid=NOBODY, tid=NOBODY, signal=11, stack=stack)
    moment = Moment(
        ts_ns=9, pid=NOBODY, tid=NOBODY, registers={"rip": copy.ip, "rsp": STACK} | registers, memory=memory
    )
    (_, named) = Naming().live([copy.library, signal, moment])
    assert isinstance(named, Signal)
    assert 1 <= len(named.stack) <= 64 + len(chain)
    assert all(frame.module for frame in named.stack[1:])
