"""Raw records as the probes write them, made by hand: the boundary at which the kernel is replaced."""

from __future__ import annotations

import struct
from typing import Any

from gotrace.sources.ebpf import unit

HEAD = [["ts_ns", "Q", 1], ["pid", "I", 1], ["tid", "I", 1], ["ns_pid", "I", 1], ["kind", "H", 1], ["part", "H", 1]]


def _layout(*members: list[Any]) -> dict[str, Any]:
    return {"members": [*HEAD, *members]}


INFO: dict[str, Any] = {
    "source": "ebpf",
    "mount_namespace": 4026531832,
    "constants": unit.constants(),
    "layouts": {
        "fork_record": _layout(["child_pid", "I", 1], ["child_ns_pid", "I", 1]),
        "exec_record": _layout(
            ["argv_bytes", "Q", 1], ["env_bytes", "Q", 1], ["mount_ns", "I", 1], ["unused", "I", 1]
        ),
        "exit_record": _layout(["code", "I", 1], ["unused", "I", 1]),
        "text_record": _layout(["bytes", "I", 1], ["flags", "I", 1], ["text", "c", 4096]),
        "failure_record": _layout(
            ["ip", "Q", 1], ["args", "Q", 6], ["nr", "I", 1], ["error", "H", 1], ["abi", "H", 1],
            ["path1_bytes", "H", 1], ["path2_bytes", "H", 1], ["flags", "I", 1], ["text", "c", 4096],
        ),
    },
}  # fmt: skip
C = INFO["constants"]


def framed(payload: bytes, *, discarded: bool = False) -> bytes:
    """With the ring buffer's 8-byte header and padding."""
    length = len(payload) | (1 << 30 if discarded else 0)
    return struct.pack("<II", length, 0) + payload.ljust((len(payload) + 7) & ~7, b"\0")


def head(kind: str, ts_ns: int, pid: int, part: int = 0, ns_pid: int | None = None) -> bytes:
    return struct.pack("<QIIIHH", ts_ns, pid, pid, pid if ns_pid is None else ns_pid, C[kind], part)


def fork(ts_ns: int, pid: int, child: int) -> bytes:
    return framed(head("KIND_FORK", ts_ns, pid) + struct.pack("<II", child, child))


def text(ts_ns: int, pid: int, part: str, data: bytes, *, truncated: bool = False) -> bytes:
    flags = C["FLAG_TRUNCATED"] if truncated else 0
    return framed(head("KIND_TEXT", ts_ns, pid, C[part]) + struct.pack("<II", len(data), flags) + data)


def exec_end(ts_ns: int, pid: int, argv_bytes: int, env_bytes: int = 0, mounts: int = 4026531832) -> bytes:
    return framed(head("KIND_EXEC", ts_ns, pid) + struct.pack("<QQII", argv_bytes, env_bytes, mounts, 0))


def exit_(ts_ns: int, pid: int, code: int) -> bytes:
    return framed(head("KIND_EXIT", ts_ns, pid) + struct.pack("<II", code, 0))


def failure(
    ts_ns: int, pid: int, number: int, error: int, *paths: bytes, abi: str = "ABI_X86_64", flags: int = 0
) -> bytes:
    first, second = (*[path + b"\0" for path in paths], b"", b"")[:2]
    body = struct.pack("<7QIHHHHI", 0x1000, 1, 2, 3, 4, 5, 6, number, error, C[abi], len(first), len(second), flags)
    return framed(head("KIND_FAILURE", ts_ns, pid) + body + first + second)
