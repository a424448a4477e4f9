"""Reads what probes counted in place of telling it (bursts.c, clock_reads.c): a mmap(2) that outlives the collector."""

from __future__ import annotations

import mmap
import struct
from typing import Final

from gotrace.sources.ebpf.compiled import Layout, format_of
from gotrace.sources.ebpf.ring import HEADER_BYTES

_HEADER: Final = struct.Struct("<II")
"""Of a record in a ring buffer: its length, and where it is, which nobody reads."""


class Bursts:
    """The table behind a descriptor of a mmapable array; the descriptor may be closed after construction.

    `counter` is the member that counts; an entry in which it is 0 is none.
    """

    def __init__(self, descriptor: int, entries: int, layout: Layout, counter: str = "folded") -> None:
        self._size = format_of(layout).size
        self._counter_at, self._counter = format_of(layout, until=counter).size, struct.Struct("<Q")
        self._entries = entries
        size = (self._size * entries + mmap.PAGESIZE - 1) // mmap.PAGESIZE * mmap.PAGESIZE
        self._map = mmap.mmap(descriptor, size, mmap.MAP_SHARED, mmap.PROT_READ)

    def records(self) -> bytes:
        """A record for each kind of call of which some were only counted, as a ring buffer would hold it."""
        found = bytearray()
        for start in range(0, self._entries * self._size, self._size):
            if self._counter.unpack_from(self._map, start + self._counter_at)[0]:
                payload = self._map[start : start + self._size]
                found += _HEADER.pack(len(payload), 0) + payload
                found += bytes(-(len(payload) + HEADER_BYTES) % 8)
        return bytes(found)

    def close(self) -> None:
        """Unmap it."""
        self._map.close()
