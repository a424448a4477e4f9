"""bpf(2) by ctypes: just the commands that loading, attaching and reading counters need. Imports no BCC.

Layouts: `union bpf_attr` in include/uapi/linux/bpf.h.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Sequence
from typing import Final

from gotrace.sources.ebpf.compiled import MapSpec

_SYS_BPF: Final = 321  # x86-64
_MAP_CREATE, _MAP_UPDATE_ELEM, _PROG_LOAD, _OBJ_GET_INFO_BY_FD, _RAW_TRACEPOINT_OPEN = 0, 2, 5, 15, 17
_LINK_CREATE: Final = 28
_PROG_TYPE_RAW_TRACEPOINT: Final = 17
_PROG_TYPE_KPROBE: Final = 2
_PROG_TYPE_TRACING: Final = 26
_TRACE_RAW_TP: Final = 23
PERF_EVENT, UPROBE_MULTI = 41, 48
"""Ways to attach (enum bpf_attach_type)."""
_ATTR_BYTES: Final = 144
_VERIFIER_LOG_BYTES: Final = 1 << 20
_MAP_TYPE_RINGBUF: Final = 27

_libc = ctypes.CDLL(None, use_errno=True)


class BpfError(OSError):
    """bpf(2) refused a command; `log` is the verifier's last words, if it had any."""

    def __init__(self, errno: int, what: str, log: str = "") -> None:
        super().__init__(errno, f"{what}: {os.strerror(errno)}")
        self.log = log


def _bpf(command: int, attributes: bytes, what: str) -> int:
    buffer = ctypes.create_string_buffer(attributes.ljust(_ATTR_BYTES, b"\0"), _ATTR_BYTES)
    result: int = _libc.syscall(_SYS_BPF, command, buffer, _ATTR_BYTES)
    if result < 0:
        raise BpfError(ctypes.get_errno(), what)
    return result


def _object_name(name: str) -> bytes:
    return name.encode()[:15].ljust(16, b"\0")


def create_map(spec: MapSpec) -> int:
    """A new map's descriptor (CLOEXEC).

    Raises:
        BpfError: EPERM without CAP_BPF, ENOMEM or EPERM beyond a memory limit.
    """
    # A ring buffer must not name the size of its records, though BCC gives one.
    sizes = (0, 0) if spec.kind == _MAP_TYPE_RINGBUF else (spec.key_size, spec.value_size)
    attributes = struct.pack("<7I", spec.kind, *sizes, spec.entries, spec.flags, 0, 0) + _object_name(spec.name)
    return _bpf(_MAP_CREATE, attributes, f"create map {spec.name}")


def update_element(map_fd: int, key: bytes, value: bytes) -> None:
    """Set one element of a map.

    Raises:
        BpfError: the kernel refuses the key or the value.
    """
    key_buffer, value_buffer = ctypes.create_string_buffer(key), ctypes.create_string_buffer(value)
    attributes = struct.pack("<IIQQQ", map_fd, 0, ctypes.addressof(key_buffer), ctypes.addressof(value_buffer), 0)
    _bpf(_MAP_UPDATE_ELEM, attributes, "update map element")


def load_program(
    name: str, instructions: bytes, license_text: str, *, uprobe: int | None = None, tracepoint: int = 0
) -> int:
    """Load a program for a raw tracepoint; its descriptor (CLOEXEC).

    `uprobe`: it is one for uprobes, to be attached in this way. `tracepoint`: the id of its tracepoint's type in the
    kernel's BTF, where the verifier is to know what it is handed.

    Raises:
        BpfError: EPERM without CAP_BPF and CAP_PERFMON, EINVAL or EACCES from the verifier (then with its log).
    """
    kind, attach = _PROG_TYPE_RAW_TRACEPOINT, 0
    if uprobe is not None:
        kind, attach = _PROG_TYPE_KPROBE, UPROBE_MULTI if uprobe == UPROBE_MULTI else 0
    elif tracepoint:
        kind, attach = _PROG_TYPE_TRACING, _TRACE_RAW_TP
    code = (ctypes.c_char * len(instructions)).from_buffer_copy(instructions)
    license_buffer = ctypes.create_string_buffer(license_text.encode())

    def attempt(log: ctypes.Array[ctypes.c_char] | None) -> int:
        attributes = struct.pack(
            "<IIQQIIQII",
            kind,
            len(instructions) // 8,
            ctypes.addressof(code),
            ctypes.addressof(license_buffer),
            1 if log is not None else 0,
            len(log) if log is not None else 0,
            ctypes.addressof(log) if log is not None else 0,
            0,
            0,
        )
        expected = struct.pack("<II36xI", 0, attach, tracepoint)
        return _bpf(_PROG_LOAD, attributes + _object_name(name) + expected, f"load program {name}")

    try:
        return attempt(None)
    except BpfError as refused:
        # Ask again for the reason: a log from the start would slow down every good load.
        log = ctypes.create_string_buffer(_VERIFIER_LOG_BYTES)
        try:
            return attempt(log)
        except BpfError as error:
            text = log.value.decode("utf-8", "replace").strip()
            raise BpfError(error.errno or 0, f"load program {name}", text) from refused


def attach_raw_tracepoint(tracepoint: str, program_fd: int, *, typed: bool = False) -> int:
    """Attach a program; closing the returned descriptor detaches it. `typed`: it was loaded for just this tracepoint.

    Raises:
        BpfError: ENOENT where this kernel has no such tracepoint.
    """
    name = ctypes.create_string_buffer(tracepoint.encode())
    attributes = struct.pack("<QI", 0 if typed else ctypes.addressof(name), program_fd)
    return _bpf(_RAW_TRACEPOINT_OPEN, attributes, f"attach to tracepoint {tracepoint}")


def link_uprobes(program_fd: int, path: str, points: Sequence[tuple[int, int]]) -> int:
    """Attach a program to places of one file, (offset, cookie) each, in every process; closing the result detaches it.

    Raises:
        BpfError: EINVAL before Linux 6.6.
    """
    name = ctypes.create_string_buffer(os.fsencode(path))
    offsets = (ctypes.c_uint64 * len(points))(*(offset for offset, _ in points))
    cookies = (ctypes.c_uint64 * len(points))(*(cookie for _, cookie in points))
    attributes = struct.pack(
        "<IIIIQQQQII", program_fd, 0, UPROBE_MULTI, 0, ctypes.addressof(name), ctypes.addressof(offsets), 0,
        ctypes.addressof(cookies), len(points), 0,
    )  # fmt: skip
    return _bpf(_LINK_CREATE, attributes, f"attach to {path}")


def link_perf_event(program_fd: int, perf_fd: int, cookie: int) -> int:
    """Attach a program to one event of perf_event_open(2); closing the result detaches it.

    Raises:
        BpfError: EINVAL before Linux 5.15.
    """
    attributes = struct.pack("<IIIIQ", program_fd, perf_fd, PERF_EVENT, 0, cookie)
    return _bpf(_LINK_CREATE, attributes, "attach to a perf event")


def missed_runs(program_fd: int) -> int:
    """How often the kernel skipped this program because it was running already (`recursion_misses`, Linux 5.12).

    Machine-wide: a skipped run need not have belonged to a followed process.

    Raises:
        BpfError: the kernel does not tell.
    """
    misses: int = struct.unpack_from("<Q", _information(program_fd), 208)[0]
    return misses


def verified_instructions(program_fd: int) -> int:
    """How many instructions the verifier went through to accept this program: its time (`verified_insns`, Linux 5.16).

    Raises:
        BpfError: the kernel does not tell.
    """
    number: int = struct.unpack_from("<I", _information(program_fd), 216)[0]
    return number


def _information(program_fd: int) -> bytes:
    """struct bpf_prog_info of <linux/bpf.h>; zeros where an older kernel knows less of it."""
    info = ctypes.create_string_buffer(256)
    attributes = struct.pack("<IIQ", program_fd, len(info), ctypes.addressof(info))
    _bpf(_OBJ_GET_INFO_BY_FD, attributes, "ask for program information")
    return info.raw
