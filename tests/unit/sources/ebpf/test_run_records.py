"""Raw records of a program's run become events."""

from __future__ import annotations

import os

import msgspec
import pytest

from gotrace.events.model import ClockReads, Dlerror, Dlopen, Dlsym, Event, Exec, Frame, Library, Signal, SyscallError
from gotrace.sources.base import CallMoment, Moment
from gotrace.sources.ebpf.records import RecordDecoder
from tests.unit.sources.ebpf import raw, raw_run

CALLER = Frame(ip=0x4711)
REGISTERS = {
    "r15": 100, "r14": 101, "r13": 102, "r12": 103, "rbp": 104, "rbx": 105, "r11": 106, "r10": 107, "r9": 108,
    "r8": 109, "rax": 110, "rcx": 111, "rdx": 112, "rsi": 113, "rdi": 114, "rip": 116, "rsp": 119,
}  # fmt: skip


def decode(*records: bytes) -> list[Event]:
    return RecordDecoder(raw_run.INFO).decode(b"".join(records))


def test_a_mapping_of_a_file() -> None:
    [event] = decode(raw_run.library(5, 7, b"libssl.so.3\0lib\0usr\0"))

    assert event == Library(
        ts_ns=5, pid=7, tid=7, path="/usr/lib/libssl.so.3", base=0x1000, size=8192, offset=4096, inode=5,
        device=os.makedev(0xFE, 1),
    )  # fmt: skip


def test_a_device_is_encoded_as_stat_does() -> None:
    [event] = decode(raw_run.library(5, 7, b"a\0", device=259 << 20 | 0x12345))

    assert isinstance(event, Library)
    assert (os.major(event.device), os.minor(event.device)) == (259, 0x12345)


def test_code_without_a_file_has_the_name_that_the_kernel_gives_it() -> None:
    [event] = decode(raw_run.library(5, 7, b"[vdso]\0", inode=0, device=0))

    assert isinstance(event, Library)
    assert (event.path, event.device, event.inode) == ("[vdso]", 0, 0)


def test_who_was_stopped_is_told_once() -> None:
    decoder = RecordDecoder(raw_run.INFO)
    decoder.decode(raw_run.library(5, 7, b"libc.so.6\0", stopped=True) + raw_run.library(6, 8, b"libm.so.6\0"))

    assert decoder.take_stopped() == {7}
    assert decoder.take_stopped() == set()


def test_a_decoder_of_a_build_knows_of_no_stops() -> None:
    assert RecordDecoder(raw.INFO).take_stopped() == set()


def test_dl_calls() -> None:
    events = decode(
        raw_run.dl_call(20, 7, "DL_OPEN", b"libssl.so.3", flags=2, result=0x55),
        raw_run.dl_call(21, 7, "DL_OPEN", None, flags=1, result=0x66),
        raw_run.dl_call(22, 7, "DL_MOPEN", b"a\xffb", first=2**64 - 1, flags=2),
        raw_run.dl_call(23, 7, "DL_SYM", b"SSL_library_init", first=0x55),
        raw_run.dl_call(24, 7, "DL_VSYM", b"fclose", first=2**64 - 1, result=0x77, version=b"GLIBC_2.2.5"),
        raw_run.dl_call(25, 7, "DL_ERROR", b"not found", result=0x88),
        raw_run.dl_call(26, 7, "DL_ERROR", None),
    )

    assert events == [
        Dlopen(ts_ns=20, pid=7, tid=7, filename="libssl.so.3", flags=2, handle=0x55, began_ns=10, caller=CALLER),
        Dlopen(ts_ns=21, pid=7, tid=7, filename=None, flags=1, handle=0x66, began_ns=11, caller=CALLER),
        Dlopen(
            ts_ns=22, pid=7, tid=7, filename="a\\xffb", flags=2, handle=0, began_ns=12, namespace=-1, caller=CALLER
        ),
        Dlsym(ts_ns=23, pid=7, tid=7, symbol="SSL_library_init", handle=0x55, address=0, caller=CALLER),
        Dlsym(ts_ns=24, pid=7, tid=7, symbol="fclose", handle=2**64 - 1, address=0x77, version="GLIBC_2.2.5",
              caller=CALLER),
        Dlerror(ts_ns=25, pid=7, tid=7, text="not found", caller=CALLER),
        Dlerror(ts_ns=26, pid=7, tid=7, text=None, caller=CALLER),
    ]  # fmt: skip


def test_a_fault_has_its_moment_behind_it() -> None:
    event, moment = decode(
        raw_run.signal(5, 7, 11, 1, 0x1234, error_code=6, trap=14, frames=[116, 0x10], instruction=b"\x0f\x0b",
                       memory=b"stack")
    )  # fmt: skip

    assert event == Signal(
        ts_ns=5, pid=7, tid=7, signal=11, code=1, address=0x1234, access="write", ip=116, sp=119, instruction="0f0b",
        stack=(Frame(ip=116), Frame(ip=0x10)),
    )  # fmt: skip
    assert isinstance(moment, Moment)
    assert (moment.ts_ns, moment.pid, moment.tid, moment.memory) == (5, 7, 7, b"stack")
    assert moment.registers == REGISTERS


@pytest.mark.parametrize(
    ("number", "code", "error_code", "trap", "access"),
    [
        (11, 1, 4, 14, "read"),
        (11, 2, 7, 14, "write"),
        (11, 1, 20, 14, "execute"),
        (7, 2, 4, 14, "read"),
        (11, 0x80, 0, 13, ""),  # a general protection fault: an address that is none
        (11, 0, 6, 14, ""),  # sent by somebody; the thread had a fault long ago
        (8, 1, 6, 14, ""),
    ],
)
def test_how_memory_was_touched(number: int, code: int, error_code: int, trap: int, access: str) -> None:
    event = decode(raw_run.signal(5, 7, number, code, 0, error_code=error_code, trap=trap))[0]

    assert isinstance(event, Signal)
    assert event.access == access


@pytest.mark.parametrize(
    ("code", "ns_pid", "sent", "sender"),
    [
        (0, 7, 3, 3),
        (-6, 7, 7, 7),
        (-1, 7, 9, 9),
        (-6, 1, 1, 7),  # itself, as its own PID namespace numbers it
        (0, 1, 3, 0),  # somebody of another PID namespace: not known here
        (-2, 7, 3, 0),  # a timer: no sender
        (1, 7, 3, 0),
    ],
)
def test_who_sent_it(code: int, ns_pid: int, sent: int, sender: int) -> None:
    event = decode(raw_run.signal(5, 7, 11, code, sent, ns_pid=ns_pid))[0]

    assert isinstance(event, Signal)
    assert event.sender == sender
    assert event.address == (sent if code > 0 else 0)


def test_a_handler_is_told() -> None:
    caught, fatal = decode(raw_run.signal(5, 7, 11, 1, 0, handler=0x99), raw_run.signal(6, 7, 11, 1, 0))[::2]

    assert isinstance(caught, Signal)
    assert isinstance(fatal, Signal)
    assert (caught.handled, fatal.handled) == (True, False)


def test_frames_of_the_goroutine_come_behind_those_of_c_once() -> None:
    apart, led_there = decode(
        raw_run.signal(5, 7, 11, 1, 0, frames=[116, 0xBAD], go_frames=[0x40, 0x41]),
        raw_run.signal(6, 7, 11, 1, 0, frames=[116, 0x39, 0x41], go_frames=[0x40, 0x41]),
    )[::2]

    assert isinstance(apart, Signal)
    assert isinstance(led_there, Signal)
    assert [frame.ip for frame in apart.stack] == [116, 0xBAD, 0x40, 0x41]
    assert [frame.ip for frame in led_there.stack] == [116, 0x39, 0x41]


def test_each_of_two_signals_has_its_own_moment() -> None:
    events = decode(
        raw_run.signal(5, 7, 11, 1, 0), raw.fork(6, 7, 8), raw_run.signal(6, 8, 6, -6, 8), raw_run.library(7, 8, b"a\0")
    )

    assert [(type(e).__name__, e.pid) for e in events] == [
        ("Signal", 7), ("Moment", 7), ("Fork", 7), ("Signal", 8), ("Moment", 8), ("Library", 8),
    ]  # fmt: skip


def test_a_failing_call_has_its_stack() -> None:
    [event] = decode(raw_run.failure(5, 7, 21, 2, b"/nowhere", [0x10, 0x20]))

    assert isinstance(event, SyscallError)
    assert (event.syscall, event.paths) == ("access", ("/nowhere",))
    assert event.stack == (Frame(ip=0x10), Frame(ip=0x20))


def test_a_failing_call_may_have_a_moment_wherever_that_comes() -> None:
    [moment] = decode(raw_run.stack(5, 7, go_frames=[0x40, 0x41], memory=b"stack"))

    assert moment == CallMoment(ts_ns=5, pid=7, tid=7, registers=REGISTERS, memory=b"stack", callers=(0x40, 0x41))


def test_spools_of_versions_without_moments_of_calls_are_read() -> None:
    older = {name: layout for name, layout in raw_run.INFO["layouts"].items() if name != "stack_record"}
    decoder = RecordDecoder(raw_run.INFO | {"layouts": older})

    assert len(decoder.decode(raw_run.failure(5, 7, 21, 2, b"/nowhere", [0x10]))) == 1


def test_a_refused_exec_is_decoded_as_in_a_build_and_has_its_stack() -> None:
    records = raw.text(1, 7, "PART_FAILED_ARGV", b"as\0") + raw_run.failure(2, 7, 59, 2, b"/usr/bin/as", [0x10])
    plain = raw.text(1, 7, "PART_FAILED_ARGV", b"as\0") + raw.failure(2, 7, 59, 2, b"/usr/bin/as")

    [of_build] = RecordDecoder(raw.INFO).decode(plain)
    assert isinstance(of_build, Exec)
    assert decode(records) == [msgspec.structs.replace(of_build, stack=(Frame(ip=0x10),))]


def test_calls_that_were_only_counted_are_one_event_like_the_one_that_was_told() -> None:
    decoder = RecordDecoder(raw_run.INFO)
    [told] = decoder.decode(raw_run.failure(5, 7, 21, 2, b"/x", [0x10, 0x20], burst=99))
    [counted] = decoder.decode(raw_run.burst(9, 7, 21, 2, 99, 1234))

    assert isinstance(told, SyscallError)
    assert counted == msgspec.structs.replace(told, ts_ns=9, repeat=1234)


def test_calls_that_were_only_counted_have_no_path_where_the_others_were_lost() -> None:
    [counted] = decode(raw_run.burst(9, 7, 21, 2, 99, 1234))

    assert counted == SyscallError(ts_ns=9, pid=7, tid=7, syscall="access", errno=2, ip=0x4711, repeat=1234)


@pytest.mark.parametrize(("number", "name"), [(228, "clock_gettime"), (96, "gettimeofday"), (201, "time")])
def test_reads_of_the_clock_are_one_event_for_each_place(number: int, name: str) -> None:
    [event] = decode(raw_run.clock_reads(9, 7, number, 1234, since_ns=5, ns_pid=1))

    assert event == ClockReads(
        ts_ns=9, pid=7, tid=7, ns_pid=1, syscall=name, count=1234, began_ns=5, ip=0x4711
    )  # fmt: skip


def test_a_spool_from_before_clocks_were_looked_at_is_read_as_well() -> None:
    layouts = {name: layout for name, layout in raw_run.INFO["layouts"].items() if name != "clock_reads"}
    constants = {name: number for name, number in raw_run.C.items() if name != "KIND_CLOCK_READS"}

    [event] = RecordDecoder(raw_run.INFO | {"layouts": layouts, "constants": constants}).decode(
        raw_run.burst(9, 7, 21, 2, 99, 3)
    )

    assert isinstance(event, SyscallError)
