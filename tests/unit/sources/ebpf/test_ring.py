"""The ring buffer reader, over a memfd laid out as the kernel lays out a ring buffer."""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator

import pytest

from gotrace.sources.ebpf.ring import BUSY, PAGE, Ring

SIZE = 4096


class FakeKernel:
    """The producer's side. The kernel maps the data twice in a row; here both copies are written."""

    def __init__(self) -> None:
        self.descriptor = os.memfd_create("ring")
        os.truncate(self.descriptor, 2 * PAGE + 2 * SIZE)
        self.memory = mmap.mmap(self.descriptor, 2 * PAGE + 2 * SIZE)
        self.position = 0

    def consumed(self) -> int:
        return int(struct.unpack_from("<Q", self.memory, 0)[0])

    def produce(self, payload: bytes, *, flags: int = 0) -> int:
        """Append a record; returns its position."""
        at = self.position
        record = struct.pack("<II", len(payload) | flags, 0) + payload
        for offset, byte in enumerate(record):
            for copy in (0, SIZE):
                self.memory[2 * PAGE + copy + (at + offset) % SIZE] = byte
        self.position += (len(record) + 7) & ~7
        struct.pack_into("<Q", self.memory, PAGE, self.position)
        return at

    def commit(self, at: int, length: int) -> None:
        for copy in (0, SIZE):
            struct.pack_into("<I", self.memory, 2 * PAGE + copy + at % SIZE, length)


@pytest.fixture
def kernel() -> Iterator[FakeKernel]:
    fake = FakeKernel()
    yield fake
    fake.memory.close()
    os.close(fake.descriptor)


def payloads(records: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(records):
        length = struct.unpack_from("<I", records, at)[0] & ~(1 << 30)
        found.append(records[at + 8 : at + 8 + length])
        at += (length + 15) & ~7
    return found


def test_nothing_there(kernel: FakeKernel) -> None:
    assert Ring(kernel.descriptor, SIZE).drain() == b""


def test_all_records_are_taken_once(kernel: FakeKernel) -> None:
    ring = Ring(kernel.descriptor, SIZE)
    kernel.produce(b"one")
    kernel.produce(b"the second")
    assert payloads(ring.drain()) == [b"one", b"the second"]
    assert ring.drain() == b""
    assert kernel.consumed() == kernel.position


def test_a_record_that_is_being_written_is_waited_for(kernel: FakeKernel) -> None:
    ring = Ring(kernel.descriptor, SIZE)
    kernel.produce(b"done")
    at = kernel.produce(b"busy", flags=BUSY)
    kernel.produce(b"after")
    assert payloads(ring.drain()) == [b"done"]
    kernel.commit(at, 4)
    assert payloads(ring.drain()) == [b"busy", b"after"]


def test_records_across_the_end_come_in_one_piece(kernel: FakeKernel) -> None:
    ring = Ring(kernel.descriptor, SIZE)
    for round_ in range(20):
        payload = bytes([round_]) * 1000
        kernel.produce(payload)
        assert payloads(ring.drain()) == [payload]
