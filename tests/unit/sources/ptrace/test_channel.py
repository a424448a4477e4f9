"""The shared memory between tracer and reader: what is put in comes out, in order, once, or is counted as lost."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotrace.sources.ptrace.channel import BULK_BYTES, LIVE_BYTES, LOST, RECORDING, ROOT_GONE, Channel, Ring

SIZE, HEAD, TAIL = 64, 0, 8


def ring(start: int = 0, size: int = SIZE) -> tuple[Ring, memoryview, bytearray]:
    """A small ring whose counters stand at `start` already."""
    words, data = memoryview(bytearray(128)).cast("Q"), bytearray(size)
    words[HEAD] = words[TAIL] = start
    return Ring(words, memoryview(data), HEAD, TAIL), words, data


@given(
    st.integers(0, 1 << 40),
    st.lists(st.one_of(st.none(), st.integers(1, SIZE // 8).map(lambda eights: 8 * eights)), max_size=60),
)
def test_a_reader_gets_what_was_put_in_its_order(start: int, steps: list[int | None]) -> None:
    """A number puts so many bytes, None drains."""
    tested, _, _ = ring(start * 8)
    waiting = b""
    for number, step in enumerate(steps):
        if step is None:
            assert tested.drain() == waiting
            waiting = b""
            continue
        record = bytes([number % 256]) * step
        fits = len(waiting) + step <= SIZE
        assert tested.put(record) is fits
        waiting += record if fits else b""
    assert tested.drain() == waiting
    assert tested.drain() == b""


def test_a_full_ring_takes_nothing_and_keeps_what_it_has() -> None:
    tested, words, _ = ring()
    assert tested.put(b"a" * SIZE)
    assert not tested.put(b"b" * 8)
    assert (words[HEAD], words[TAIL]) == (SIZE, 0)
    assert tested.drain() == b"a" * SIZE
    assert tested.put(b"b" * 8)
    assert tested.drain() == b"b" * 8


def test_who_can_do_without_leaves_room_for_others() -> None:
    tested, _, _ = ring()
    assert tested.put(b"x" * 32, spare=32)
    assert not tested.put(b"y" * 8, spare=32)
    assert tested.put(b"z" * 32)


def test_a_record_may_go_over_the_end() -> None:
    tested, _, data = ring(SIZE - 8)
    record = bytes(range(24))
    assert tested.put(record)
    assert bytes(data[-8:] + data[:16]) == record
    assert tested.drain() == record


@pytest.fixture
def channel() -> Iterator[Channel]:
    made = Channel()
    yield made
    made.close()


def test_the_channel_is_the_same_in_a_forked_process(channel: Channel) -> None:
    assert channel.words[RECORDING] == 1
    child = os.fork()
    if child == 0:
        channel.live.put(b"exec....")
        channel.bulk.put(b"failing!")
        channel.words[LOST + 2] += 5
        channel.words[ROOT_GONE] = 1
        os._exit(0)
    os.waitpid(child, 0)
    assert (channel.live.drain(), channel.bulk.drain()) == (b"exec....", b"failing!")
    assert (channel.words[LOST + 2], channel.words[ROOT_GONE]) == (5, 1)


def test_the_rings_do_not_touch_each_other(channel: Channel) -> None:
    assert channel.live.put(b"l" * LIVE_BYTES)
    assert channel.bulk.put(b"b" * BULK_BYTES)
    assert not channel.live.put(b"x" * 8)
    assert channel.bulk.drain() == b"b" * BULK_BYTES
    assert channel.live.drain() == b"l" * LIVE_BYTES


def test_a_process_that_writes_while_another_reads() -> None:
    """All that was put arrives whole and in order, and what did not fit is what the writer knows of."""
    channel, many = Channel(), 20_000
    child = os.fork()
    if child == 0:
        for number in range(many):
            record = number.to_bytes(8, "little") * (1 + number % 40)
            if not channel.live.put(record):
                channel.words[LOST] += 1
        channel.words[ROOT_GONE] = 1
        os._exit(0)
    watchdog = threading.Timer(120, os.kill, (child, 9))
    watchdog.start()
    arrived = b""
    while not channel.words[ROOT_GONE]:
        arrived += channel.live.drain()
    arrived += channel.live.drain()
    watchdog.cancel()
    os.waitpid(child, 0)
    lost = channel.words[LOST]
    channel.close()

    numbers, at = [], 0
    while at < len(arrived):
        number = int.from_bytes(arrived[at : at + 8], "little")
        length = 8 * (1 + number % 40)
        assert arrived[at : at + length] == number.to_bytes(8, "little") * (length // 8)
        numbers.append(number)
        at += length
    assert numbers == sorted(set(numbers))
    assert len(numbers) + lost == many
