"""Where in a process the loader's functions are, and where it says that libraries have come or gone."""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from functools import lru_cache
from typing import Final, NamedTuple

from gotrace.elf.displaced import first
from gotrace.elf.elf_file import ElfFile
from gotrace.elf.libc import loaders_of
from gotrace.elf.symbol_table import dynamic_symbols
from gotrace.sources.ptrace.bodies import FUNCTIONS
from gotrace.sources.ptrace.mappings import Mapping, Mappings

MAPS, RETURN = len(FUNCTIONS), len(FUNCTIONS) + 1
"""Purposes of breakpoints beside the functions': libraries came or went; a call comes back."""
_TELLS: Final = "_dl_debug_state"
"""What a loader calls then, for debuggers (<link.h>, r_brk): ld.so of glibc, and musl."""
_LIBRARIES: Final = (b"libc.", b"libc-", b"libdl.", b"libdl-", b"ld-musl-")
_NEEDED: Final = (
    {"rdi", "rsi"}, {"rdi", "rsi", "rdx"}, {"rdi", "rsi"}, {"rdi", "rsi", "rdx"}, set[str](),
)  # fmt: skip
"""Registers that hold the arguments of each of the functions."""
_CODE_BYTES: Final = 32
_AT_BASE, _AT_ENTRY = 7, 9


class Place(NamedTuple):
    """Where in a file a breakpoint belongs, what it is for, and by how much the stack pointer was lowered there."""

    offset: int
    purpose: int
    pushed: int = 0


class Start(NamedTuple):
    """What the kernel told a new program (getauxval(3)): where its loader is (0: it has none), and its entry."""

    loader: int
    entry: int


def start_of_program(pid: int) -> Start:
    """Of a process right after its exec."""
    with suppress(OSError):
        descriptor = os.open(f"/proc/{pid}/auxv", os.O_RDONLY | os.O_CLOEXEC)
        try:
            values = dict(struct.iter_unpack("<QQ", _whole(os.read(descriptor, 4096))))
        finally:
            os.close(descriptor)
        return Start(values.get(_AT_BASE, 0), values.get(_AT_ENTRY, 0))
    return Start(0, 0)


def has_64_bits(pid: int) -> bool:
    """Whether a process runs a program of 64 bits (EI_CLASS of elf(5)); its registers tell only where it stops."""
    with suppress(OSError):
        descriptor = os.open(f"/proc/{pid}/exe", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.read(descriptor, 5) == b"\x7fELF\x02"
        finally:
            os.close(descriptor)
    return False


def _whole(data: bytes) -> bytes:
    return data[: len(data) // 16 * 16]


def first_code(start: Start, mappings: Mappings) -> Mapping | None:
    """The code of the loader, or that of a program without one, which may be a loader itself."""
    if start.loader:
        return next((one for one in mappings.all if one.base >= start.loader), None)
    return mappings.at(start.entry)


def may_have_loaders(mapping: Mapping) -> bool:
    """Whether a library by this name can be a C library, or the part of it that loads others."""
    return mapping.path.rpartition(b"/")[2].startswith(_LIBRARIES)


def places_in(pid: int, mapping: Mapping) -> tuple[Place, ...] | None:
    """All of a file that is mapped into a process, often none; None where it cannot be read or understood."""
    path = b"/proc/%d/root%s" % (pid, mapping.path)
    try:
        # Without O_NONBLOCK the opening of a FIFO waits for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        found = os.fstat(descriptor)
        return _places(_File(descriptor, (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)))
    except Exception:
        # Anybody may call a file libc.so. Whatever is wrong with it must not end us, and with us the command.
        return None
    finally:
        os.close(descriptor)


class _File:
    """An open file that is the same as another one with this identity."""

    def __init__(self, descriptor: int, identity: tuple[int, ...]) -> None:
        self.descriptor, self._identity = descriptor, identity

    def __hash__(self) -> int:
        return hash(self._identity)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _File) and other._identity == self._identity


@lru_cache(maxsize=64)
def _places(file: _File) -> tuple[Place, ...]:
    functions = [
        _behind_the_first(file, FUNCTIONS.index(name), offset)
        for name, offsets in loaders_of(file.descriptor).items()
        for offset in offsets
    ]
    return (*functions, *(Place(offset, MAPS) for offset in _telling(file.descriptor)))


def _behind_the_first(file: _File, function: int, offset: int) -> Place:
    """Behind the function's first instruction, where that does as well: on it may be the uprobe of somebody else.

    Who comes second to the same byte is never told: the kernel takes the int3 for the uprobe's own.
    """
    code = os.pread(file.descriptor, _CODE_BYTES, offset)
    found = first(code, offset, frozenset(_NEEDED[function]))
    return Place(offset, function) if found is None else Place(offset + found.size, function, found.pushed)


def _telling(descriptor: int) -> list[int]:
    image = ElfFile.open(descriptor)
    if image is None:
        return []
    with image:
        table = dynamic_symbols(image)
        offsets = {image.offset_of(one.value) for one in table.named(_TELLS)} if table else set()
    return sorted(offset for offset in offsets if offset)
