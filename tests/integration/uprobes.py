"""Holds uprobes on a file, as another tracer would: through the PMU of that name (perf_event_open(2))."""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

_TYPE = Path("/sys/bus/event_source/devices/uprobe/type")
_SYS_PERF_EVENT_OPEN = 298
_ATTRIBUTES = struct.Struct("<IIQQQQQIIQQ")
"""struct perf_event_attr as far as the path and the offset of a uprobe (config1, config2)."""
_SIZE = 112


@contextlib.contextmanager
def uprobes(file: Path, offsets: Sequence[int]) -> Iterator[None]:
    """Uprobes at these offsets of a file, for as long as that lasts."""
    if os.geteuid() != 0 or not _TYPE.exists():
        pytest.skip("uprobes need root and a kernel that has them")
    libc = ctypes.CDLL(None, use_errno=True)
    path = ctypes.create_string_buffer(os.fsencode(file))
    held: list[int] = []
    try:
        for offset in offsets:
            raw = _ATTRIBUTES.pack(
                int(_TYPE.read_text()), _SIZE, 0, 1, 0, 0, 0, 0, 0, ctypes.addressof(path), offset
            )  # fmt: skip
            attributes = ctypes.create_string_buffer(raw, _SIZE)
            descriptor = libc.syscall(_SYS_PERF_EVENT_OPEN, attributes, -1, 0, -1, 0)
            assert descriptor >= 0, os.strerror(ctypes.get_errno())
            held.append(descriptor)
        yield
    finally:
        for descriptor in held:
            os.close(descriptor)
