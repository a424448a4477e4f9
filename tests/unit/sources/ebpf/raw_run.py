"""Raw records of a followed run, made by hand; see raw.py for those of a build."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from gotrace.sources.ebpf import unit
from tests.unit.sources.ebpf import raw


def _layout(*members: tuple[str, str, int]) -> dict[str, Any]:
    return {"members": [*raw.HEAD, *map(list, members)]}


C = unit.constants(running=True)
_FAILURE = [list(member) for member in raw.INFO["layouts"]["failure_record"]["members"]]

INFO: dict[str, Any] = raw.INFO | {
    "constants": C,
    "layouts": raw.INFO["layouts"]
    | {
        "failure_record": {
            "members": [*_FAILURE[:-1], ["burst", "Q", 1], ["frames", "Q", 1], ["stack", "Q", 32], _FAILURE[-1]],
        },
        "library_head": {
            "members": [["base", "Q", 1], ["size", "Q", 1], ["offset", "Q", 1], ["inode", "Q", 1], ["device", "I", 1],
                        ["unused", "I", 1]],
        },
        "burst": _layout(
            ("id", "Q", 1), ("since_ns", "Q", 1), ("folded", "Q", 1), ("ip", "Q", 1), ("nr", "I", 1),
            ("error", "H", 1), ("abi", "H", 1), ("seen", "I", 1), ("unused", "I", 1),
        ),
        "clock_reads": _layout(
            ("id", "Q", 1), ("since_ns", "Q", 1), ("calls", "Q", 1), ("ip", "Q", 1), ("nr", "I", 1), ("unused", "I", 1),
        ),
        "dl_record": _layout(
            ("began_ns", "Q", 1), ("handle", "Q", 1), ("flags", "Q", 1), ("result", "Q", 1), ("caller", "Q", 1),
            ("name_bytes", "I", 1), ("version_bytes", "I", 1), ("text", "c", 1152),
        ),
        "stack_record": _layout(
            ("registers", "Q", 21), ("goroutine", "Q", 1), ("go_at", "Q", 1), ("go_found", "Q", 1),
            ("go_frames", "Q", 32), ("memory_bytes", "Q", 1), ("memory", "c", 8192),
        ),
        "signal_record": _layout(
            ("address", "Q", 1), ("handler", "Q", 1), ("error_code", "Q", 1), ("trap", "Q", 1), ("registers", "Q", 21),
            ("code", "i", 1), ("signal", "I", 1), ("instruction_bytes", "I", 1), ("stack_bytes", "I", 1),
            ("frames", "Q", 32), ("instruction", "c", 16), ("goroutine", "Q", 1), ("go_at", "Q", 1),
            ("go_found", "Q", 1), ("go_frames", "Q", 32), ("memory_bytes", "Q", 1), ("memory", "c", 8192),
        ),
    },
}  # fmt: skip


def library(
    ts_ns: int, pid: int, names: bytes, *, inode: int = 5, device: int = 0xFE << 20 | 1, stopped: bool = False
) -> bytes:
    """A mapping of 8192 bytes at 0x1000, from byte 4096 of the file on."""
    head = struct.pack("<QQQQII", 0x1000, 8192, 4096, inode, device, 0)
    flags = C["FLAG_STOPPED"] if stopped else 0
    body = struct.pack("<II", len(head) + len(names), flags) + head + names
    return raw.framed(_head("KIND_LIBRARY", ts_ns, pid) + body)


def dl_call(
    ts_ns: int, pid: int, function: str, name: bytes | None, *, first: int = 0, flags: int = 0, result: int = 0,
    version: bytes = b"",
) -> bytes:  # fmt: skip
    """A call that began 10 ns before, from 0x4711."""
    text, of_version = b"" if name is None else name + b"\0", version + b"\0" if version else b""
    body = struct.pack("<5QII", ts_ns - 10, first, flags, result, 0x4711, len(text), len(of_version))
    return raw.framed(_head("KIND_DL_CALL", ts_ns, pid, C[function]) + body + text + of_version)


def signal(
    ts_ns: int, pid: int, number: int, code: int, address: int, *, handler: int = 0, error_code: int = 0, trap: int = 0,
    frames: Sequence[int] = (), go_frames: Sequence[int] = (), instruction: bytes = b"", memory: bytes = b"",
    ns_pid: int | None = None,
) -> bytes:  # fmt: skip
    """Registers are 100, 101 ... in the order of struct pt_regs."""
    body = struct.pack("<4Q21Q", address, handler, error_code, trap, *range(100, 121))
    body += struct.pack("<iIII", code, number, len(instruction), 8 * len(frames))
    body += _words(frames) + instruction.ljust(16, b"?") + struct.pack("<3Q", 0, 0, len(go_frames))
    body += _words(go_frames) + struct.pack("<Q", len(memory)) + memory
    return raw.framed(_head("KIND_SIGNAL", ts_ns, pid, ns_pid=ns_pid) + body)


def stack(ts_ns: int, pid: int, *, go_frames: Sequence[int] = (), memory: bytes = b"") -> bytes:
    """Registers are 100, 101 ... in the order of struct pt_regs."""
    body = struct.pack("<21Q3Q", *range(100, 121), 0, 0, len(go_frames))
    return raw.framed(
        _head("KIND_STACK", ts_ns, pid) + body + _words(go_frames) + struct.pack("<Q", len(memory)) + memory
    )


def failure(ts_ns: int, pid: int, number: int, error: int, path: bytes, stack: Sequence[int], burst: int = 0) -> bytes:
    plain = raw.failure(ts_ns, pid, number, error, path)[8:]
    text = plain.rindex(path + b"\0")
    padded = [*stack, *[0xDEAD] * (32 - len(stack))]
    return raw.framed(plain[:text] + struct.pack("<QQ32Q", burst, len(stack), *padded) + path + b"\0")


def burst(ts_ns: int, pid: int, number: int, error: int, identity: int, folded: int) -> bytes:
    """Calls from 0x4711 that were only counted."""
    body = struct.pack("<4QIHHII", identity, ts_ns, folded, 0x4711, number, error, 0, 500, 0)
    return raw.framed(_head("KIND_BURST", ts_ns, pid) + body)


def clock_reads(
    ts_ns: int, pid: int, number: int, calls: int, *, since_ns: int = 0, ns_pid: int | None = None
) -> bytes:
    """Reads of the clock from 0x4711."""
    body = struct.pack("<4QII", 99, since_ns, calls, 0x4711, number, 0)
    return raw.framed(_head("KIND_CLOCK_READS", ts_ns, pid, ns_pid=ns_pid) + body)


def _words(values: Sequence[int]) -> bytes:
    return struct.pack("<32Q", *values, *[0xDEAD] * (32 - len(values)))


def _head(kind: str, ts_ns: int, pid: int, part: int = 0, ns_pid: int | None = None) -> bytes:
    return raw.head(kind, ts_ns, pid, part, ns_pid)
