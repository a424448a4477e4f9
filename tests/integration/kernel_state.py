"""What the kernel holds: is anything of gotrace still loaded?"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import time
from pathlib import Path

from gotrace.sources.ebpf import unit

_SYS_BPF, _PROG_GET_NEXT_ID, _PROG_GET_FD_BY_ID, _OBJ_GET_INFO_BY_FD = 321, 11, 13, 15
_OURS = frozenset(name[:15] for name in unit.programs(running=True))
"""The kernel keeps 15 letters of a name."""
_libc = ctypes.CDLL(None, use_errno=True)


def _bpf(command: int, attributes: bytes) -> tuple[int, bytes]:
    buffer = ctypes.create_string_buffer(attributes.ljust(64, b"\0"), 64)
    return _libc.syscall(_SYS_BPF, command, buffer, 64), buffer.raw


def _name(number: int) -> str | None:
    descriptor, _ = _bpf(_PROG_GET_FD_BY_ID, struct.pack("<I", number))
    if descriptor < 0:
        return None
    info = ctypes.create_string_buffer(256)
    _bpf(_OBJ_GET_INFO_BY_FD, struct.pack("<IIQ", descriptor, 256, ctypes.addressof(info)))
    os.close(descriptor)
    return info.raw[64:80].split(b"\0")[0].decode()


def loaded_programs() -> list[int]:
    """Ids of loaded programs that have the names of ours (root only)."""
    found: list[int] = []
    number = 0
    while True:
        result, answer = _bpf(_PROG_GET_NEXT_ID, struct.pack("<I", number))
        if result < 0:
            if ctypes.get_errno() != errno.ENOENT:
                raise OSError(ctypes.get_errno(), "cannot list programs")
            return found
        number = struct.unpack_from("<I", answer, 4)[0]
        if _name(number) in _OURS:
            found.append(number)


def collectors() -> list[int]:
    """Processes that hold such programs: those of running collectors."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            links = [str(descriptor.readlink()) for descriptor in (process / "fd").iterdir()]
        except OSError:
            continue
        if "anon_inode:bpf-prog" in links:
            found.append(int(process.name))
    return found


def wait_until_unloaded(before: list[int], seconds: float = 5.0) -> list[int]:
    """Programs that came since `before` and are still there after at most `seconds`."""
    deadline = time.monotonic() + seconds
    while (left := [number for number in loaded_programs() if number not in before]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left
