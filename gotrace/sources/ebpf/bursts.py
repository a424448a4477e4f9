"""Reads what bursts.c counted in place of telling it, through a read-only mmap(2) that outlives the collector."""

from __future__ import annotations

import mmap
import struct
from typing import Final

from gotrace.sources.ebpf.compiled import Layout, format_of
from gotrace.sources.ebpf.ring import HEADER_BYTES

_HEADER: Final = struct.Struct("<II")
"""Of a record in a ring buffer: its length, and where it is, which nobody reads."""


class Bursts:
    """The table behind a descriptor of a mmapable array; the descriptor may be closed after construction."""

    def __init__(self, descriptor: int, entries: int, layout: Layout) -> None:
        self._size = format_of(layout).size
        self._folded_at, self._folded = format_of(layout, until="folded").size, struct.Struct("<Q")
        self._entries = entries
        size = (self._size * entries + mmap.PAGESIZE - 1) // mmap.PAGESIZE * mmap.PAGESIZE
        self._map = mmap.mmap(descriptor, size, mmap.MAP_SHARED, mmap.PROT_READ)

    def records(self) -> bytes:
        """A record for each kind of call of which some were only counted, as a ring buffer would hold it."""
        found = bytearray()
        for start in range(0, self._entries * self._size, self._size):
            if self._folded.unpack_from(self._map, start + self._folded_at)[0]:
                payload = self._map[start : start + self._size]
                found += _HEADER.pack(len(payload), 0) + payload
                found += bytes(-(len(payload) + HEADER_BYTES) % 8)
        return bytes(found)

    def close(self) -> None:
        """Unmap it."""
        self._map.close()
