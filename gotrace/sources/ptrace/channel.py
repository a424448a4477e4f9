"""Memory that the tracer and gotrace share: two rings of records, and a few words.

The tracer never waits for its reader: where a ring is full a record is counted as lost, and the tracee goes on. There
are two rings so that a storm of failing calls cannot push out an exec. x86-64 keeps the order of stores, so a record is
there before the word that says so.
"""

from __future__ import annotations

import mmap
from typing import Final

PAGE: Final = mmap.PAGESIZE
LIVE_BYTES: Final = 16 << 20
BULK_BYTES: Final = 16 << 20
"""What is never written takes no memory."""

RECORDING, ROOT_GONE, TERMINAL_WRITES, BLIND, MISSED = 0, 1, 2, 3, 4
"""Words: whether somebody still wants records; whether the command itself is gone; writes to a terminal until now;
programs and libraries whose calls of the loader cannot be seen; such calls whose return cannot be seen."""
LOST: Final = 8
"""From here on: lost records, by kind."""
_LIVE_HEAD, _LIVE_TAIL, _BULK_HEAD, _BULK_TAIL = 32, 40, 48, 56
"""Each in a cache line of its own."""


class Ring:
    """A ring of `size` bytes in the shared memory; a record may go over its end and on at its start."""

    def __init__(self, words: memoryview, data: memoryview, head: int, tail: int) -> None:
        self._words, self._data, self._head, self._tail = words, data, head, tail
        self._size = len(data)

    def put(self, record: bytes, *, spare: int = 0) -> bool:
        """Append a whole record; False where there is no room for it that leaves `spare` bytes for others."""
        words, size, length = self._words, self._size, len(record)
        head = words[self._head]
        if head + length - words[self._tail] > size - spare:
            return False
        at = head % size
        if at + length <= size:
            self._data[at : at + length] = record
        else:
            first = size - at
            self._data[at:] = record[:first]
            self._data[: length - first] = record[first:]
        words[self._head] = head + length
        return True

    def drain(self) -> bytes:
        """All records that are there; empty where there are none."""
        words, size = self._words, self._size
        tail, head = words[self._tail], words[self._head]
        if tail == head:
            return b""
        start, end = tail % size, head % size
        one_piece = start < end
        records = bytes(self._data[start:end]) if one_piece else bytes(self._data[start:]) + bytes(self._data[:end])
        words[self._tail] = head
        return records


class Channel:
    """The shared memory. Made before the tracer is forked, it is the same in both."""

    def __init__(self) -> None:
        size = PAGE + LIVE_BYTES + BULK_BYTES
        self._map = mmap.mmap(-1, size)  # no file: it knows no RLIMIT_FSIZE
        self._whole = memoryview(self._map)
        self.words = self._whole[:PAGE].cast("Q")
        self._live_data = self._whole[PAGE : PAGE + LIVE_BYTES]
        self._bulk_data = self._whole[PAGE + LIVE_BYTES :]
        self.live = Ring(self.words, self._live_data, _LIVE_HEAD, _LIVE_TAIL)
        self.bulk = Ring(self.words, self._bulk_data, _BULK_HEAD, _BULK_TAIL)
        self.words[RECORDING] = 1

    def close(self) -> None:
        """Unmap it."""
        for view in (self.words, self._live_data, self._bulk_data, self._whole):
            view.release()
        self._map.close()
