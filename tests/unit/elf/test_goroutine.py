"""The goroutine that called C code, found on the thread's stack."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotrace.elf.unwind.goroutine import goroutine_callers

G, LOW, HIGH = 0xC000_0001_80, 0xC000_1000, 0xC000_2000
DEPTH = 0x100
FRAME = HIGH - DEPTH


def words(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}Q", *values)


class Memory:
    """Words of a process by their addresses."""

    def __init__(self, contents: dict[int, bytes]) -> None:
        self._contents = contents

    def read(self, address: int, size: int) -> bytes:
        return self._contents.get(address, b"")[:size]


CONTENTS = {
    G: words(LOW, HIGH),
    FRAME: words(FRAME + 0x20, 0x401000),
    FRAME + 0x20: words(FRAME + 0x60, 0x402000),
    FRAME + 0x60: words(0, 0x403000),
}


def test_the_frames_of_the_goroutine_by_what_asmcgocall_left() -> None:
    stack = words(1, 0x7FFF_0000_0000, 5, DEPTH, G, 7)
    assert goroutine_callers(stack, Memory(CONTENTS).read) == [0x401000, 0x402000, 0x403000]
    assert goroutine_callers(stack, Memory(CONTENTS).read, most=2) == [0x401000, 0x402000]


@pytest.mark.parametrize(
    "changed",
    [
        {G: b""},
        {G: words(HIGH, LOW)},
        {G: words(FRAME + 8, HIGH)},
        {FRAME: b""},
        {FRAME: words(FRAME - 8, 0x401000)},
        {FRAME: words(HIGH + 8, 0x401000)},
        {FRAME: words(FRAME + 0x20, 0)},
    ],
)
def test_words_that_lead_elsewhere_are_no_goroutine(changed: dict[int, bytes]) -> None:
    assert goroutine_callers(words(DEPTH, G), Memory(CONTENTS | changed).read) == []


def test_frame_pointers_that_go_round_end() -> None:
    contents = CONTENTS | {FRAME + 0x20: words(FRAME, 0x402000)}
    assert goroutine_callers(words(DEPTH, G), Memory(contents).read) == [0x401000, 0x402000]


@given(st.binary(max_size=200), st.binary(min_size=16, max_size=16))
def test_no_memory_breaks_it(stack: bytes, anything: bytes) -> None:
    assert len(goroutine_callers(stack + words(DEPTH, G), lambda address, size: anything)) <= 32
