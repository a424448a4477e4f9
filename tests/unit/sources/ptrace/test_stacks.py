"""Of which failing calls the stack is told by ptrace; the memory is this very process's own."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Iterator

import pytest

from gotrace.sources.base import CallMoment
from gotrace.sources.ptrace import abi, records
from gotrace.sources.ptrace.bodies import REGISTERS
from gotrace.sources.ptrace.processes import Process
from gotrace.sources.ptrace.quota import Quota
from gotrace.sources.ptrace.records import RecordDecoder
from gotrace.sources.ptrace.stacks import Stacks
from gotrace.sources.ptrace.stops import Stop, What

SECOND = 1_000_000_000
STACK = ctypes.create_string_buffer(b"what lies on a stack", 4096)
VALUES = tuple(ctypes.addressof(STACK) if number == abi.RSP else number for number in range(27))


def failed(path: bytes = b"/nowhere\0", result: int = 2) -> Stop:
    return Stop(What.FAILED, 7, mark=257, result=result, ip=0x4711, text=path, held=True)


OURS = Process(os.getpid())


@pytest.fixture(autouse=True)
def no_memory_stays_open() -> Iterator[None]:
    """A tracer that is forked later would take the descriptor for its own."""
    yield
    OURS.forget_memory()


def told(stacks: Stacks, stop: Stop, at_ns: int = 5) -> bool:
    return stacks.moment(OURS, stop, VALUES, at_ns) is not None


def test_registers_and_memory_from_the_stack_pointer_on() -> None:
    record = Stacks().moment(OURS, failed(), VALUES, 5)
    assert record is not None
    (moment,) = RecordDecoder({"format": records.FORMAT}).decode(record)
    assert isinstance(moment, CallMoment)
    assert (moment.ts_ns, moment.pid, moment.tid, moment.callers) == (5, os.getpid(), 7, ())
    assert moment.memory.startswith(STACK.raw)
    assert len(moment.memory) <= 8192
    assert moment.registers == {name: VALUES[abi.PLACES[name]] for name in REGISTERS}


def test_where_there_are_many_some_of_each_kind() -> None:
    stacks = Stacks()
    assert all(told(stacks, failed(b"/%d\0" % number)) for number in range(125))
    assert [number for number in range(1, 100) if told(stacks, failed())] == [*range(1, 9), 16, 32, 64]
    assert told(stacks, failed(b"/elsewhere\0"))
    assert told(stacks, failed(result=13))
    assert not told(stacks, failed(), SECOND - 1)
    assert told(stacks, failed(), SECOND)


def test_so_many_of_all_kinds_in_a_second() -> None:
    stacks = Stacks()
    assert sum(told(stacks, failed(b"/%d\0" % number)) for number in range(300)) == 250


def test_where_there_are_few_all() -> None:
    stacks = Stacks()
    assert [told(stacks, failed()) for _ in range(130)] == [True] * 125 + [False] * 2 + [True] + [False] * 2


def test_a_thread_that_is_gone_has_no_registers() -> None:
    assert Stacks().moment(OURS, failed(), (), 5) is None


def test_so_many_in_each_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [5 * SECOND]
    monkeypatch.setattr(time, "monotonic_ns", lambda: now[0])
    quota = Quota(2)
    assert [quota.take() for _ in range(3)] == [True, True, False]
    now[0] += SECOND
    assert [quota.take() for _ in range(3)] == [True, True, False]
