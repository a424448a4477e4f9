"""Records about a running program: each becomes the events it was made of."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotrace.events.model import ClockReads, Dlerror, Dlopen, Dlsym, Event, Frame, Library, Signal
from gotrace.events.text import printable
from gotrace.sources.base import CallMoment, Moment
from gotrace.sources.ptrace import records
from gotrace.sources.ptrace.bodies import FUNCTIONS, REGISTERS, Call, Fault, Reads, Thread
from gotrace.sources.ptrace.calls import clock_reads, observed
from gotrace.sources.ptrace.mappings import Mapping
from gotrace.sources.ptrace.records import RecordDecoder, Who

DECODER = RecordDecoder({"format": records.FORMAT})
WHO = Who(40, 41, 1)
COMMON: dict[str, Any] = {"ts_ns": 5, "pid": 40, "tid": 41, "ns_pid": 1}

words = st.integers(0, (1 << 64) - 1)
texts = st.binary(max_size=60)
registers = st.lists(words, min_size=len(REGISTERS), max_size=len(REGISTERS)).map(tuple)


def fault(*values: int, code: int = 1, address: int = 0) -> Fault:
    """One whose ip is the first value, and all other registers 0."""
    rest = (0,) * (len(REGISTERS) - len(values))
    return Fault(code, 0, address, False, (*values, *rest), b"", (), b"")


def decoded(record: bytes) -> list[Event]:
    """Also where it is not the only one."""
    twice = DECODER.decode(record + record)
    once = DECODER.decode(record)
    assert twice == once + once
    return once


@given(words, words, words, words, words, texts)
def test_a_library(base: int, size: int, offset: int, device: int, inode: int, path: bytes) -> None:
    record = records.library(5, WHO, Mapping(base, size, offset, device, inode, path))
    expected = Library(
        **COMMON, path=printable(path), base=base, size=size, offset=offset, device=device, inode=inode
    )  # fmt: skip
    assert decoded(record) == [expected]


@given(st.sampled_from(FUNCTIONS), words, words, words, words, words, st.none() | texts, texts)
def test_a_call_of_the_loader(
    function: str, result: int, caller: int, began: int, handle: int, flags: int, text: bytes | None, version: bytes
) -> None:
    call = Call(FUNCTIONS.index(function), result, caller, began, handle, flags, text, version)
    (event,) = decoded(records.call(5, WHO, call))
    by, said = Frame(caller), None if text is None else printable(text)
    expected = {
        "dlopen": Dlopen(**COMMON, filename=said, flags=flags, handle=result, began_ns=began, caller=by),
        "dlmopen": Dlopen(
            **COMMON, filename=said, flags=flags, handle=result, began_ns=began, caller=by, namespace=handle
        ),
        "dlsym": Dlsym(
            **COMMON, symbol=said or "", handle=handle, address=result, version=printable(version), caller=by
        ),
        "dlerror": Dlerror(**COMMON, text=said, caller=by),
    }
    assert event == expected["dlsym" if function == "dlvsym" else function]


@given(st.sampled_from(clock_reads()), words, words, words)
def test_reads_of_the_clock(call: Any, count: int, began: int, ip: int) -> None:
    record = records.clock_reads(WHO, call.mark, Reads(count, began, 5, ip))
    assert decoded(record) == [ClockReads(**COMMON, syscall=call.name, count=count, began_ns=began, ip=ip)]


def test_a_call_that_nobody_knows_reads_no_clock() -> None:
    unknown = max(call.mark for call in (*observed(), *clock_reads())) + 2000
    with pytest.raises(ValueError, match="no call has the mark"):
        DECODER.decode(records.clock_reads(WHO, unknown << 2, Reads(1, 2, 3, 4)))


@given(registers, st.binary(max_size=8192), st.lists(words, max_size=32))
def test_where_a_thread_was_whose_call_failed(values: tuple[int, ...], memory: bytes, callers: list[int]) -> None:
    record = records.stack(5, WHO, Thread(values, memory, tuple(callers)))
    named = dict(zip(REGISTERS, values, strict=True))
    assert decoded(record) == [CallMoment(**COMMON, registers=named, memory=memory, callers=tuple(callers))]


@given(
    st.integers(1, 64), st.integers(-60, 128), st.integers(0, 1 << 22), words, st.booleans(), registers,
    st.binary(max_size=16), st.lists(words, max_size=32), st.binary(max_size=8192),
)  # fmt: skip
def test_a_signal_and_its_moment(
    number: int, code: int, sender: int, address: int, handled: bool, values: tuple[int, ...], instruction: bytes,
    frames: list[int], memory: bytes,
) -> None:  # fmt: skip
    met = Fault(code, sender, address, handled, values, instruction, tuple(frames), memory)
    signal, moment = decoded(records.signal(5, WHO, number, met))
    assert moment == Moment(**COMMON, registers=dict(zip(REGISTERS, values, strict=True)), memory=memory)
    assert isinstance(signal, Signal)
    assert (signal.signal, signal.code, signal.sender, signal.address) == (number, code, sender, address)
    assert (signal.handled, signal.ip, signal.sp) == (handled, *values[:2])
    assert signal.instruction == instruction.hex()
    assert [frame.ip for frame in signal.stack] == frames
    assert (signal.ts_ns, signal.pid, signal.tid, signal.ns_pid) == (5, 40, 41, 1)


@pytest.mark.parametrize(
    ("number", "met", "access"),
    [
        (11, fault(0, code=1, address=0), "execute"),
        (11, fault(0x1234, code=2, address=0x1234), "execute"),
        (7, fault(0x1234, code=2, address=0x1234), "execute"),
        (11, fault(0x1234, code=1, address=0), ""),
        (4, fault(0x1234, code=2, address=0x1234), ""),
        (11, fault(0, code=-6, address=0), ""),
        (11, fault(0, code=0, address=0), ""),
    ],
)
def test_how_memory_was_touched_as_far_as_ptrace_tells(number: int, met: Fault, access: str) -> None:
    """Where the fault is at the instruction itself, that could not be fetched."""
    signal, _ = decoded(records.signal(5, WHO, number, met))
    assert isinstance(signal, Signal)
    assert signal.access == access
