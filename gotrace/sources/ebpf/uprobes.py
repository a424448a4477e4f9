"""Attaches the dl program to functions of C libraries: by one link for a whole file, or place by place.

A link for many places (Linux 6.6) is taken away in one go; places that are attached one by one (Linux 5.15) cost an
RCU wait of a tenth of a second each. Only places that we have computed ourselves from the file are attached to: a
breakpoint in the middle of an instruction would damage every program that uses it.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from gotrace.sources.ebpf import bpf

_SYS_PERF_EVENT_OPEN: Final = 298  # x86-64
_PERF_FLAG_FD_CLOEXEC: Final = 8
_PERF_ATTR_BYTES: Final = 72
_PMU: Final = Path("/sys/bus/event_source/devices/uprobe/type")

_libc = ctypes.CDLL(None, use_errno=True)


class Points(NamedTuple):
    """Where in a file to attach: (offset, cookie) each. The cookie says which function, and entry or return."""

    places: list[tuple[int, int]]
    without_return: list[str]
    """Functions in which no RET was found: their calls cannot be seen to return."""


def points_of(file: int, constants: dict[str, int]) -> Points:
    """Entries and RETs of the dl functions that an ELF file defines, behind a descriptor of it.

    Raises:
        OSError: the file cannot be read.
    """
    from gotrace.elf.libc import loaders_of  # not needed where a build is followed
    from gotrace.elf.returns import returns_of

    names = {"dlopen": "DL_OPEN", "dlmopen": "DL_MOPEN", "dlsym": "DL_SYM", "dlvsym": "DL_VSYM", "dlerror": "DL_ERROR"}
    points = Points([], [])
    for name, entries in loaders_of(file).items():
        function = constants[names[name]]
        for entry in entries:
            returns = returns_of(file, entry).offsets
            if not returns:
                points.without_return.append(name)
                continue
            # Returns first: an entry without its return would only fill the table of calls.
            points.places.extend((place, function | constants["DL_RETURNS"]) for place in returns)
            points.places.append((entry, function))
    return points


def prepare() -> None:
    """Import what `points_of` needs, which takes a tenth of a second."""
    from gotrace.elf import instruction, libc, returns  # noqa: F401

    instruction.decode(b"\xc3", 0)


class Uprobes:
    """All attachments of one program, which `load` loads for a way of attaching (`gotrace.sources.ebpf.bpf`)."""

    def __init__(self, load: Callable[[int], int]) -> None:
        self._load = load
        self._programs: dict[int, int] = {}
        self._links: list[int] = []
        self._way = bpf.UPROBE_MULTI
        self._program(self._way)

    def _program(self, way: int) -> int:
        if way not in self._programs:
            self._programs[way] = self._load(way)
        return self._programs[way]

    def attach(self, path: str, places: Sequence[tuple[int, int]]) -> None:
        """Attach to all the places of a file, or to none.

        Raises:
            OSError: the kernel refuses it.
        """
        if self._way == bpf.UPROBE_MULTI:
            try:
                self._links.append(bpf.link_uprobes(self._program(self._way), path, places))
                return
            except bpf.BpfError:
                one_by_one = self._one_by_one(path, places)  # if this is refused too, the file is to blame
                self._way = bpf.PERF_EVENT
                self._links += one_by_one
                return
        self._links += self._one_by_one(path, places)

    def _one_by_one(self, path: str, places: Sequence[tuple[int, int]]) -> list[int]:
        program, made = self._program(bpf.PERF_EVENT), []
        try:
            for offset, cookie in places:
                made.append(event := _open_event(path, offset))
                made.append(bpf.link_perf_event(program, event, cookie))
        except OSError:
            for descriptor in made:
                os.close(descriptor)
            raise
        return made

    def close(self) -> None:
        """Detach from everything. It takes as long as the kernel waits for what runs there: up to seconds."""
        for descriptor in (*reversed(self._links), *self._programs.values()):
            with suppress(OSError):
                os.close(descriptor)
        self._links.clear()
        self._programs.clear()


def _open_event(path: str, offset: int) -> int:
    """A uprobe of all processes (perf_event_open(2), struct perf_event_attr)."""
    name = ctypes.create_string_buffer(os.fsencode(path))
    attributes = bytearray(_PERF_ATTR_BYTES)
    struct.pack_into("<II", attributes, 0, int(_PMU.read_text()), _PERF_ATTR_BYTES)
    struct.pack_into("<QQ", attributes, 56, ctypes.addressof(name), offset)
    buffer = ctypes.create_string_buffer(bytes(attributes), len(attributes))
    event: int = _libc.syscall(_SYS_PERF_EVENT_OPEN, buffer, -1, 0, -1, _PERF_FLAG_FD_CLOEXEC)
    if event < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"attach to {path}: {os.strerror(number)}")
    return event
