"""The lines of a recording's file, which may be compressed, cut off, damaged or made to hurt.

A line longer than `LINE_LIMIT` is skipped without being kept, and no more than `TOTAL_LIMIT` bytes are read or
unpacked. The work is linear in what is read, and little of it is in memory at a time.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import BinaryIO

import zstandard

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
LINE_LIMIT = 64 << 20
TOTAL_LIMIT = 4 << 30

_WINDOW_LIMIT = 128 << 20
"""What a frame may ask zstd to keep in memory (`zstd --ultra` asks for as much)."""
_CHUNK = 1 << 20
_PACKED_CHUNK = 1 << 10
"""Compressed bytes given to zstd at once: three bytes of them can mean 128 KB (RFC 8878, RLE blocks)."""


class Lines:
    """Iterates over the lines of `file`, without their newlines; a line that is too long is given as None.

    `number` is that of the line given last. After the last one `stopped` says why reading ended early, as a clause
    ("its compressed data are cut off"), or is None, and `unfinished` whether the last line had no newline.

    Raises:
        OSError: the file cannot be read.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.number = 0
        self.stopped: str | None = None
        self.unfinished = False
        self._checksum = 0
        self._chunk = b""
        self._start = 0

    def checksum(self) -> int:
        """CRC-32 of all bytes, unpacked, in front of the line given last."""
        return zlib.crc32(memoryview(self._chunk)[: self._start], self._checksum)

    def __iter__(self) -> Iterator[bytes | None]:
        waiting: list[bytes] = []
        held = 0
        before_line = before_chunk = 0  # checksums
        for chunk in self._limited():
            first, newline, rest = chunk.partition(b"\n")
            held += len(first)
            if held <= LINE_LIMIT:
                waiting.append(first)
            if not newline:
                if held > LINE_LIMIT and self.number == 0:
                    break  # no recording has such a first line; do not read /dev/zero to the limit
                before_chunk = zlib.crc32(chunk, before_chunk)
                continue
            self._checksum, self._chunk, self._start = before_line, b"", 0
            yield self._line(waiting, held)
            *whole, tail = rest.split(b"\n")
            self._checksum, self._chunk, start = before_chunk, chunk, len(first) + 1
            for line in whole:
                self.number += 1
                self._start = start
                yield line
                start += len(line) + 1
            waiting, held = [tail], len(tail)
            before_line = zlib.crc32(memoryview(chunk)[:start], before_chunk)
            before_chunk = zlib.crc32(tail, before_line)
        if held:
            self.unfinished = True
            self._checksum, self._chunk, self._start = before_line, b"", 0
            yield self._line(waiting, held)

    def _line(self, parts: list[bytes], length: int) -> bytes | None:
        self.number += 1
        return b"".join(parts) if length <= LINE_LIMIT else None

    def _limited(self) -> Iterator[bytes]:
        total = 0
        for chunk in self._chunks():
            total += len(chunk)
            if total > TOTAL_LIMIT:
                self.stopped = f"it holds more than {TOTAL_LIMIT >> 20} MB"
                return
            yield chunk

    def _chunks(self) -> Iterator[bytes]:
        first = self._file.read(_CHUNK)
        if first.startswith(ZSTD_MAGIC):
            yield from self._unpacked(first)
            return
        while first:
            yield first
            first = self._file.read(_CHUNK)

    def _unpacked(self, packed: bytes) -> Iterator[bytes]:
        """What the frames hold, one after the other; up to the first that is damaged or cut off."""
        decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW_LIMIT)
        frame = decompressor.decompressobj()
        begun = False
        try:
            while packed:
                for start in range(0, len(packed), _PACKED_CHUNK):
                    piece = packed[start : start + _PACKED_CHUNK]
                    while piece:
                        begun = True
                        yield from _slices(frame.decompress(piece))
                        piece = b""
                        if frame.eof:
                            piece = frame.unused_data
                            frame, begun = decompressor.decompressobj(), False
                packed = self._file.read(_CHUNK)
        except zstandard.ZstdError:
            self.stopped = "its compressed data are damaged"
            return
        if begun:
            self.stopped = "its compressed data are cut off"


def _slices(data: bytes) -> Iterator[bytes]:
    if len(data) <= _CHUNK:
        if data:
            yield data
        return
    for start in range(0, len(data), _CHUNK):
        yield data[start : start + _CHUNK]
