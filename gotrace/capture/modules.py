"""The files that a followed program is made of, opened for as long as names are asked for."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from functools import cached_property
from typing import Final, NamedTuple

from gotrace.capture.mappings import VDSO, Mapping
from gotrace.elf.cfi import WayOut, way_out
from gotrace.elf.elf_file import ElfFile
from gotrace.elf.functions import GO, Function, Functions
from gotrace.elf.identity import read_identity
from gotrace.elf.instruction import Instruction
from gotrace.elf.static_libc import StaticLibc, is_static
from gotrace.elf.symbol_table import UNDEFINED, dynamic_symbols
from gotrace.elf.unwind.calls import asked_for, call_before, is_signal_trampoline
from gotrace.elf.unwind.tables import FrameTable
from gotrace.events.text import to_bytes

_MOST_OPEN: Final = 256
_LARGEST_VDSO: Final = 1 << 16
_GLIBC_PARTS: Final = ("libc.so.", "libc-2.", "libpthread.so", "libpthread-2.", "libdl.so", "libdl-2.")
_MUSL: Final = ("ld-musl-", "libc.musl-")
_LOADERS: Final = ("ld-linux", "ld-2.", "ld.so", "ld64.so")


class Module:
    """One file with code. What cannot be read of it (any more) has no functions and no unwind tables."""

    def __init__(self, path: str, functions: Functions | None) -> None:
        self.path = path
        self._functions = functions
        self._calls: dict[int, Instruction | None] = {}
        self._asked: dict[Instruction, str] = {}
        self._offered: dict[str, bool] = {}
        self._ways: dict[int, WayOut | None] = {}
        self._trampolines: dict[int, bool] = {}

    def address_of(self, mapping: Mapping, ip: int) -> int | None:
        """What the file's own tables call a place that is mapped."""
        with suppress(OSError):
            return self._functions.file.address_at(ip, mapping.base, mapping.offset) if self._functions else None
        return None

    def function_at(self, address: int) -> Function | None:
        """The function that a place is in."""
        with suppress(OSError):
            return self._functions.at(address) if self._functions else None
        return None

    def line_at(self, address: int) -> tuple[str, int]:
        """File and line of Go code; an empty name and 0 of other code."""
        with suppress(OSError):
            return (self._functions.line_at(address, own=True) if self._functions else None) or ("", 0)
        return "", 0

    def way_out(self, address: int) -> WayOut | None:
        """How its unwind tables lead from a place to the caller; None where they do not cover it."""
        if address not in self._ways:
            described = self._frames.covering(address) if self._frames is not None else None
            self._ways[address] = way_out(described, address) if described is not None else None
        return self._ways[address]

    @cached_property
    def _frames(self) -> FrameTable | None:
        return FrameTable(self.file) if self.file is not None else None

    @property
    def file(self) -> ElfFile | None:
        """The file, where it can be read and has x86-64 code."""
        file = self._functions.file if self._functions else None
        return file if file is not None and file.header.machine == "x86_64" else None

    @cached_property
    def build_id(self) -> str:
        """GNU's build id in hexadecimal digits; empty where there is none."""
        with suppress(OSError):
            return read_identity(self._functions.file).build_id if self._functions else ""
        return ""

    def call_before(self, address: int) -> Instruction | None:
        """The call that returns to an address, where there is one."""
        if address not in self._calls:
            self._calls[address] = None
            with suppress(OSError):
                self._calls[address] = call_before(self.file, address) if self.file else None
        return self._calls[address]

    def may_be_returned_to(self, address: int) -> bool:
        """Whether a place is behind a call, or is one to which something else returns."""
        if self.call_before(address) is not None or self.ends_signal(address):
            return True
        # Go pretends that goexit, at the bottom of each goroutine, has called its first function.
        function = self.function_at(address)
        return function is not None and function.name.startswith("runtime.goexit")

    def ends_signal(self, address: int) -> bool:
        """Whether signal handlers return to a place."""
        if address not in self._trampolines:
            self._trampolines[address] = False
            with suppress(OSError):
                self._trampolines[address] = self.file is not None and is_signal_trampoline(self.file, address)
        return self._trampolines[address]

    def calls(self, call: Instruction, function: Function, *, here: bool) -> bool:
        """Whether a call of this file is one of that function, which is in this file (`here`) or in another."""
        if call.target is None or self.file is None:
            return False
        return call.target == function.start if here else self._imported(call) == function.name

    def calls_directly(self, returns_to: int, callee: int) -> bool:
        """Whether the call that returns to an address leads to the function of this file that another place is in."""
        call = self.call_before(returns_to)
        if call is None or call.target is None:
            return False
        described = self._frames.covering(callee) if self._frames is not None else None
        function = self.function_at(callee)
        return call.target in (function.start if function else None, described.start if described else None)

    def asked_for(self, address: int) -> str:
        """The function of another file that the call leads to which returns to an address; "" where it is none."""
        call = self.call_before(address)
        return self._imported(call) if call is not None else ""

    def _imported(self, call: Instruction) -> str:
        if call not in self._asked:
            self._asked[call] = ""
            with suppress(OSError):
                self._asked[call] = asked_for(self.file, call) if self.file is not None else ""
        return self._asked[call]

    def offers(self, name: str) -> bool:
        """Whether other files may call a function of that name in this one."""
        if name not in self._offered:
            self._offered[name] = False
            with suppress(OSError):
                table = dynamic_symbols(self.file) if self.file is not None else None
                symbols = table.named(name) if table is not None else ()
                self._offered[name] = any(symbol.section != UNDEFINED for symbol in symbols)
        return self._offered[name]

    def origin(self, function: Function | None) -> str:
        """Whose code it is, as Frame tells it."""
        if self.path == VDSO:
            return "vdso"
        if function is not None and function.origin == GO:
            return "go"
        name = self.path.rpartition("/")[2]
        # musl's loader is musl's libc: one file.
        if name.startswith(_MUSL) or name.startswith(_GLIBC_PARTS) or name == "libc.so":
            return "libc"
        if name.startswith(_LOADERS):
            return "ld.so"
        return "libc" if function is not None and self._is_of_static_libc(function) else "c"

    def _is_of_static_libc(self, function: Function) -> bool:
        return self._static_libc is not None and self._static_libc.has(function)

    @cached_property
    def _static_libc(self) -> StaticLibc | None:
        with suppress(OSError):
            if self._functions is not None and self.file is not None and is_static(self.file):
                return StaticLibc(self._functions)
        return None

    def close(self) -> None:
        """Let go of the file."""
        if self._functions is not None:
            self._functions.close()


class _Key(NamedTuple):
    device: int
    inode: int
    path: str


class Modules:
    """All files, each opened once, as soon as it is heard of: its process may be gone soon, and its root with it."""

    def __init__(self) -> None:
        self._modules: dict[_Key, Module] = {}

    def of(self, mapping: Mapping, pid: int) -> Module:
        """The file of a mapping of that process."""
        # Where the source could not tell which file it was, its path has to do.
        key = _Key(mapping.device, mapping.inode, "" if mapping.inode else mapping.path)
        found = self._modules.get(key)
        if found is None:
            found = Module(mapping.path, self._open(mapping, pid) if len(self._modules) < _MOST_OPEN else None)
            self._modules[key] = found
        return found

    def close(self) -> None:
        """Let go of all."""
        for module in self._modules.values():
            module.close()
        self._modules.clear()

    def _open(self, mapping: Mapping, pid: int) -> Functions | None:
        if mapping.path == VDSO:
            return _own_vdso()
        path = to_bytes(mapping.path)
        for root in (b"/proc/%d/root" % pid, b""):
            # A path below the process's own root is the file by whatever device number it goes there: overlayfs tells
            # stat(2) another than it tells the kernel.
            with suppress(OSError):
                found = _opened(root + path, mapping, other_device=bool(root))
                if found is not None:
                    return found
        return None


def _opened(path: bytes, mapping: Mapping, *, other_device: bool) -> Functions | None:
    # Without O_NONBLOCK the opening of a FIFO would wait: the name may stand for anything by now.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        status = os.fstat(descriptor)
        same = status.st_ino == mapping.inode and (status.st_dev == mapping.device or other_device)
        if not stat.S_ISREG(status.st_mode) or (mapping.inode and not same):
            return None
        return Functions.open(descriptor)
    finally:
        os.close(descriptor)


def _own_vdso() -> Functions | None:
    """All 64-bit processes have the same vDSO from their kernel: what is in ours is in theirs."""
    with suppress(OSError, ValueError), open("/proc/self/maps", encoding="utf-8") as maps:  # noqa: PTH123
        line = next((line for line in maps if line.rstrip().endswith(VDSO)), "")
        start, end = (int(part, 16) for part in line.split()[0].split("-")) if line else (0, 0)
        if not 0 < end - start <= _LARGEST_VDSO:
            return None
        descriptor = os.memfd_create("vdso")
        try:
            memory = os.open("/proc/self/mem", os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.write(descriptor, os.pread(memory, end - start, start))
            finally:
                os.close(memory)
            return Functions.open(descriptor)
        finally:
            os.close(descriptor)
    return None
