"""The walk along frame pointers, on frames that lie in this very process."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Sequence

import pytest

from gotrace.sources.ptrace import abi
from gotrace.sources.ptrace.frames import MOST_FRAMES, frames_of
from gotrace.sources.ptrace.memory import Memory

CODE_SEGMENT_64 = 0x33


def walk(rbp: int, *, cs: int = CODE_SEGMENT_64) -> list[int]:
    values = [0] * 27
    values[abi.RIP], values[abi.RBP], values[abi.CS] = 0x1234, rbp, cs
    with Memory(os.getpid()) as memory:
        found = frames_of(memory, values)
    return list(struct.unpack(f"<{len(found) // 8}Q", found))


class Frames:
    """Pairs of a caller's frame, by its number here (-1: none), and a return address."""

    def __init__(self, pairs: Sequence[tuple[int, int]]) -> None:
        self._room = ctypes.create_string_buffer(16 * len(pairs))
        for number, (above, caller) in enumerate(pairs):
            struct.pack_into("<QQ", self._room, 16 * number, self.at(above) if above >= 0 else 0, caller)

    def at(self, number: int) -> int:
        return ctypes.addressof(self._room) + 16 * number


def test_from_caller_to_caller_wherever_the_frames_lie() -> None:
    frames = Frames([(2, 11), (-1, 13), (1, 12)])
    assert walk(frames.at(0)) == [0x1234, 11, 12, 13]


def test_no_more_than_ebpf_tells() -> None:
    circle = Frames([(0, 7)])
    assert walk(circle.at(0)) == [0x1234, *[7] * (MOST_FRAMES - 1)]


@pytest.mark.parametrize("rbp", [0, 1, (1 << 47) - 4, 1 << 63, (1 << 64) - 8])
def test_a_frame_pointer_that_is_none_leads_nowhere(rbp: int) -> None:
    assert walk(rbp) == [0x1234]


def test_frames_of_32_bit_code_are_below_4_gb() -> None:
    assert walk((1 << 32) + 8, cs=abi.CODE_SEGMENT_32) == [0x1234]


def test_of_a_thread_that_is_gone_nothing() -> None:
    with Memory(os.getpid()) as memory:
        assert frames_of(memory, ()) == b""
