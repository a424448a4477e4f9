"""What becomes of connections that are on their way, without a tracee: its memory is our own."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator

import pytest

from gotrace.sources.ptrace.calls import by_mark
from gotrace.sources.ptrace.connecting import Connecting, asks_for_error
from gotrace.sources.ptrace.memory import Memory
from gotrace.sources.ptrace.stops import Stop, What

MARKS = {call.name: call.mark for call in by_mark().values() if call.abi == 0}
HIGH = 7 << 32
"""What may be left in the upper half of a register."""


def begun(descriptor: int, *, error: int = errno.EINPROGRESS, name: str = "connect", text: bytes = b"address") -> Stop:
    args = (HIGH | descriptor, 0xC000, HIGH | 16, 1, 2, 3)
    return Stop(What.FAILED, 5, mark=MARKS[name], result=error, args=args, path1_bytes=len(text), text=text)


def asking(descriptor: int, at: int = 0) -> Stop:
    return Stop(What.WROTE, 6, mark=MARKS["getsockopt"], ip=0x4000, args=(HIGH | descriptor, 1, 4, at, 0, 0))


@pytest.fixture
def memory() -> Iterator[Memory]:
    with Memory(os.getpid()) as mine:
        yield mine


def test_the_error_that_a_program_asks_for(memory: Memory) -> None:
    connecting, error = Connecting(), ctypes.c_int(errno.ECONNREFUSED)
    assert connecting.began(1, begun(3))
    ask = asking(3, ctypes.addressof(error))
    assert asks_for_error(ask)
    assert connecting.waits(1, ask)
    assert connecting.failed(1, ask, memory, b"stack") == Stop(
        What.FAILED, 6, mark=MARKS["connect"], result=errno.ECONNREFUSED, ip=0x4000, args=(3, 0xC000, 16, 0, 0, 0),
        path1_bytes=7, text=b"address", stack=b"stack", held=True,
    )  # fmt: skip
    assert not connecting.waits(1, ask)
    assert connecting.failed(1, ask, memory, b"") is None


@pytest.mark.parametrize("number", [0, -1])
def test_there_is_none(memory: Memory, number: int) -> None:
    connecting, error = Connecting(), ctypes.c_int(number)
    assert connecting.began(1, begun(3))
    assert connecting.failed(1, asking(3, ctypes.addressof(error)), memory, b"") is None
    assert not connecting.waits(1, asking(3))


def test_an_answer_that_cannot_be_read(memory: Memory) -> None:
    connecting = Connecting()
    assert connecting.began(1, begun(3))
    assert connecting.failed(1, asking(3, 8), memory, b"") is None


def test_other_processes_descriptors_and_failures() -> None:
    connecting = Connecting()
    assert not connecting.began(1, begun(3, error=errno.ECONNREFUSED))
    assert not connecting.began(1, begun(3, name="bind"))
    assert connecting.began(1, begun(3))
    assert [connecting.waits(pid, asking(number)) for pid, number in ((1, 3), (2, 3), (1, 4))] == [True, False, False]


def test_the_oldest_are_forgotten() -> None:
    connecting = Connecting()
    for descriptor in (0, *range(1024), 0, 2000):
        assert connecting.began(1, begun(descriptor))
    assert [connecting.waits(1, asking(number)) for number in (0, 1, 2, 2000)] == [True, False, True, True]
