"""Reading the memory of a process: our own, and that of a real one which has just started."""

from __future__ import annotations

import ctypes
import mmap
import os
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotrace.sources.ptrace.memory import Memory, start_of

PAGE = mmap.PAGESIZE
KERNEL_ADDRESS = 0xFFFF_FFFF_FF60_0000


@pytest.fixture
def ours() -> Iterator[Memory]:
    with Memory(os.getpid()) as memory:
        yield memory


def test_a_read_ends_where_unmapped_memory_begins() -> None:
    with Memory(os.getpid()) as memory:
        library = ctypes.CDLL(None)
        library.mmap.restype, library.mmap.argtypes = ctypes.c_void_p, (ctypes.c_void_p, *[ctypes.c_long] * 5)
        at = int(library.mmap(None, 2 * PAGE, 3, 0x22, -1, 0))
        library.munmap(ctypes.c_void_p(at + PAGE), PAGE)
        ctypes.memset(at, ord("x"), PAGE)
        assert memory.read(at + PAGE - 5, 100) == b"xxxxx"
        assert memory.read(at + PAGE, 100) == b""
        assert memory.string(at + PAGE - 5) is None
        ctypes.memset(at + PAGE - 1, 0, 1)
        assert memory.string(at + PAGE - 5) == b"xxxx"
        assert memory.string(at + PAGE - 1) == b""
        library.munmap(ctypes.c_void_p(at), PAGE)


@pytest.mark.parametrize("length", [0, 1, 255, 256, 257, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE])
@pytest.mark.parametrize("offset", [0, 1, PAGE - 1])
@pytest.mark.parametrize("limit", [1, 4095, 4096, 1 << 20])
def test_a_string_is_whole_or_cut_at_its_limit(ours: Memory, length: int, offset: int, limit: int) -> None:
    text = bytes(1 + number % 255 for number in range(length))
    pages = mmap.mmap(-1, 6 * PAGE)
    pages[offset : offset + length] = text
    address = ctypes.addressof(ctypes.c_char.from_buffer(pages))
    assert ours.string(address + offset, limit) == text[:limit]


@pytest.mark.parametrize("address", [0, 1, PAGE - 1, KERNEL_ADDRESS, (1 << 64) - 1])
def test_what_cannot_be_read_is_none_or_empty(ours: Memory, address: int) -> None:
    assert ours.read(address, 8) == b""
    assert ours.string(address) is None
    assert ours.strings(address, 8) == (b"", False)
    assert ours.pieces(address, 2, 8, 100) == b""


def test_the_memory_of_nobody() -> None:
    with Memory(1 << 22) as memory:
        assert memory.read(PAGE, 8) == b""
        assert memory.string(PAGE) is None


@pytest.mark.parametrize("width", [4, 8])
def test_vectors_of_strings_and_of_pieces(ours: Memory, width: int) -> None:
    library = ctypes.CDLL(None)
    library.mmap.restype, library.mmap.argtypes = ctypes.c_void_p, (ctypes.c_void_p, *[ctypes.c_long] * 5)
    at = int(library.mmap(None, PAGE, 3, 0x62, -1, 0))  # MAP_32BIT: an address that 4 bytes hold
    word = "<I" if width == 4 else "<Q"
    ctypes.memmove(at, b"one\0\0two words\0", 15)

    def put(*words: int) -> int:
        raw = b"".join(struct.pack(word, each) for each in words)
        ctypes.memmove(at + 1024, raw, len(raw))
        return at + 1024

    assert ours.strings(put(at, at + 4, at + 5, 0), width) == (b"one\0\0two words\0", True)
    assert ours.strings(put(0), width) == (b"", True)
    assert ours.strings(put(at, 1, at, 0), width) == (b"one\0", False)
    vector = put(at, 3, at + 4, 0, at + 5, 9, 1, 5)
    assert ours.pieces(vector, 3, width, 100) == b"onetwo words"
    assert ours.pieces(vector, 3, width, 6) == b"onetwo"
    assert ours.pieces(vector, 4, width, 100) == b"onetwo words"
    assert ours.pieces(vector, 0, width, 100) == b""
    library.munmap(ctypes.c_void_p(at), PAGE)


@pytest.mark.parametrize(
    ("argv", "env"),
    [
        (["sleep", "60"], {"A": "b"}),
        (["sleep", "60", "0", "0.0"], {}),
        ([b"\xff\xfe", "60"], {"EMPTY": "", "ODD": "\udcff"}),
        (["sleep", "60", *["0"] * 9000], {"LONG": "x" * 120_000, "OTHER": "y" * 120_000}),
    ],
    ids=["few", "no-environment", "no-text", "many"],
)
def test_what_a_real_program_was_started_with(argv: list[str | bytes], env: dict[str, str]) -> None:
    process = subprocess.Popen(argv, executable="/bin/sleep", env=env)
    try:
        folder = Path(f"/proc/{process.pid}")
        deadline = time.monotonic() + 60
        while " S " not in (text := (folder / "stat").read_text()):  # not yet asleep: it is still being started
            assert time.monotonic() < deadline
        stack = int(text.rpartition(")")[2].split()[25])  # startstack of proc(5)
        with Memory(process.pid) as memory:
            start = start_of(memory, stack, 8)
        assert start is not None
        assert start.argv == b"".join(os.fsencode(word) + b"\0" for word in argv)
        assert start.env == (folder / "environ").read_bytes()
        assert start.path == b"/bin/sleep"
    finally:
        process.kill()
        process.wait()


def test_writing_also_to_what_is_only_for_reading(ours: Memory) -> None:
    library = ctypes.CDLL(None)
    library.mmap.restype, library.mmap.argtypes = ctypes.c_void_p, (ctypes.c_void_p, *[ctypes.c_long] * 5)
    at = int(library.mmap(None, PAGE, mmap.PROT_READ, 0x22, -1, 0))
    assert ours.write(at + 5, b"written")
    assert ours.read(at + 4, 9) == b"\0written\0"
    library.munmap(ctypes.c_void_p(at), PAGE)
    assert not ours.write(at + 5, b"written")
    assert not ours.write(KERNEL_ADDRESS, b"x")
    assert not ours.write(1 << 70, b"x")


def test_the_memory_behind_a_descriptor() -> None:
    text = ctypes.create_string_buffer(b"here")
    descriptor = os.open("/proc/self/mem", os.O_RDWR)
    with Memory.of_descriptor(descriptor) as memory:
        assert memory.string(ctypes.addressof(text)) == b"here"
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


class Stack(Memory):
    """A made-up one."""

    def __init__(self, image: bytes, base: int) -> None:
        super().__init__(1 << 22)
        self._image, self._base = image, base

    def read(self, address: int, size: int) -> bytes:
        return self._image[address - self._base :][:size]


def stack_of(words: list[int], strings: bytes, width: int) -> bytes:
    return b"".join(struct.pack("<I" if width == 4 else "<Q", each) for each in words) + strings


@pytest.mark.parametrize("width", [4, 8])
def test_the_stack_of_a_new_program(width: int) -> None:
    base, at = 0x7000, 0x7000 + 13 * width
    strings = b"cc\0-c\0A=b\0/bin/cc\0"
    words = [2, at, at + 3, 0, at + 6, 0, 6, 4096, 31, at + 10, 0, 0, 99]
    start = start_of(Stack(stack_of(words, strings, width), base), base, width)
    assert start == (b"cc\0-c\0", b"A=b\0", b"/bin/cc")


@given(st.lists(st.one_of(st.integers(0, 40), st.integers(0x7000, 0x7100), st.integers(0, (1 << 64) - 1)), max_size=20),
       st.binary(max_size=60), st.sampled_from([4, 8]))  # fmt: skip
def test_a_stack_that_makes_no_sense_is_no_crash(words: list[int], strings: bytes, width: int) -> None:
    image = stack_of([word & (1 << 8 * width) - 1 for word in words], strings, width)
    start = start_of(Stack(image, 0x7000), 0x7000, width)
    assert start is None or all(isinstance(part, bytes) for part in start)
