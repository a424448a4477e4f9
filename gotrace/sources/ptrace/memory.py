"""Reads and writes a stopped tracee's memory, and what a new program's stack says of its start."""

from __future__ import annotations

import os
import struct
from typing import Final, NamedTuple, Self

_PAGE: Final = 4096
_FIRST_READ: Final = 1 << 17
_MOST: Final = 8 << 20
"""More than the kernel lets argv and environment take together: 6 MB (execve(2))."""
_MOST_STRINGS: Final = 1 << 16
_AT_NULL, _AT_EXECFN = 0, 31
"""<linux/auxvec.h>"""


class Memory:
    """The memory of one process, through /proc/PID/mem; it has to be opened anew after an exec.

    Nothing raises: what cannot be read is None or shorter, for the process may be gone, or not be ours to read.
    """

    def __init__(self, pid: int) -> None:
        try:
            self._descriptor = os.open(f"/proc/{pid}/mem", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            self._descriptor = -1

    @classmethod
    def of_descriptor(cls, descriptor: int) -> Self:
        """The memory behind an open /proc/PID/mem, which is closed with it."""
        memory = cls.__new__(cls)
        memory._descriptor = descriptor
        return memory

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def read(self, address: int, size: int) -> bytes:
        """Up to `size` bytes, fewer where unmapped memory begins."""
        found = b""
        while len(found) < size:
            try:
                part = os.pread(self._descriptor, size - len(found), address + len(found))
            except (OSError, OverflowError):
                break
            if not part:
                break
            found += part
        return found

    def write(self, address: int, data: bytes) -> bool:
        """Have these bytes there, also in code, which then becomes the process's own; False where that is impossible.

        One byte is there at once: a thread that runs meanwhile executes the old instruction or the new one.
        """
        try:
            return os.pwrite(self._descriptor, data, address) == len(data)
        except (OSError, OverflowError):
            return False

    def string(self, address: int, limit: int = _PAGE) -> bytes | None:
        """The NUL-terminated string there, cut at `limit` bytes; None where it cannot be read."""
        found = b""
        while address and len(found) < limit:
            # Never beyond the page's end at first: a string may end right before unmapped memory.
            size = min(_PAGE - (address & (_PAGE - 1)), 256 if not found else _PAGE)
            part = self.read(address, size)
            if not part:
                return None
            end = part.find(b"\0")
            if end >= 0:
                return (found + part[:end])[:limit]
            found, address = found + part, address + size
        return found[:limit] if found else None

    def strings(self, vector: int, width: int) -> tuple[bytes, bool]:
        """What a NULL-terminated vector of string pointers of `width` bytes points to, each with its NUL.

        The second value is False where some of it could not be read.
        """
        found = bytearray()
        for _ in range(_MOST_STRINGS):
            word = self.read(vector, width)
            if len(word) < width:
                return bytes(found), False
            pointer = int.from_bytes(word, "little")
            if not pointer:
                return bytes(found), True
            text = self.string(pointer, _MOST)
            if text is None:
                return bytes(found), False
            found += text + b"\0"
            vector += width
        return bytes(found), False

    def pieces(self, vector: int, count: int, width: int, limit: int) -> bytes:
        """The first `limit` bytes of what `count` struct iovec at `vector` describe (readv(2))."""
        raw = self.read(vector, 2 * width * min(count, 1024))
        found = bytearray()
        for base, length in struct.iter_unpack(
            "<QQ" if width == 8 else "<II", raw[: len(raw) // (2 * width) * 2 * width]
        ):
            wanted = min(length, limit - len(found))
            found += self.read(base, wanted)
            if wanted < length:
                break
        return bytes(found)


class Start(NamedTuple):
    """What the kernel has just put on the stack of a new program (fs/binfmt_elf.c, create_elf_tables)."""

    argv: bytes
    """The strings one after the other, each with its NUL; so is the environment."""
    env: bytes
    path: bytes
    """The file name that execve got (AT_EXECFN), a script's own."""


def start_of(memory: Memory, stack_pointer: int, width: int) -> Start | None:
    """Read it at the stop of the exec, before the program can change anything. `width`: bytes of a pointer."""
    image = memory.read(stack_pointer, _FIRST_READ)
    while len(image) and len(image) % _FIRST_READ == 0 and len(image) < _MOST:
        image += memory.read(stack_pointer + len(image), _FIRST_READ)
    try:
        return _parsed(image, stack_pointer, width)
    except (IndexError, ValueError, TypeError):
        return None


def _parsed(image: bytes, base: int, width: int) -> Start | None:
    """argc, argv, NULL, environment, NULL, auxiliary vector, strings: argv's, environment's, the file name."""
    with memoryview(image[: len(image) // width * width]).cast("Q" if width == 8 else "I") as words:
        count = words[0]
        first = words[1] if count else 0
        at = 1 + count
        if words[at] != 0:
            return None
        at += 1
        variables = words[at]
        while words[at]:
            at += 1
        at += 1
        name = 0
        while words[at] != _AT_NULL:
            if words[at] == _AT_EXECFN:
                name = words[at + 1]
            at += 2
    end = variables or name
    path = image[name - base : image.index(b"\0", name - base)] if name else b""
    argv = image[first - base : end - base] if first else b""
    return Start(argv, image[variables - base : name - base] if variables and name else b"", path)
