"""The record of an exec: what a process runs from now on, or what it was refused."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from gotrace.sources.ptrace import abi, records
from gotrace.sources.ptrace.calls import by_mark
from gotrace.sources.ptrace.memory import start_of
from gotrace.sources.ptrace.processes import Process, folders, lost_privilege
from gotrace.sources.ptrace.stops import Stop

_LARGEST_BLOCK: Final = 1 << 20
"""Bytes of an argument vector or an environment that are kept."""


def executed(process: Process, values: Sequence[int], path: bytes, *, unprivileged: bool) -> bytes:
    """Of a process that stands before the first instruction of a new program, with these registers.

    `path` is what the call named; `unprivileged`: privileges of programs may get lost by our tracing.
    """
    pid = process.pid
    start = None
    if values:
        width = 4 if values[abi.CS] == abi.CODE_SEGMENT_32 else 8
        start = start_of(process.memory, values[abi.RSP], width)
    cwd, place = folders(pid)
    return _fitting(
        process,
        now_ns=time.monotonic_ns(),
        path=start.path if start and start.path else path,
        argv=start.argv if start else None,
        env=start.env if start else None,
        cwd=cwd,
        place=place,
        suppressed=unprivileged and lost_privilege(pid),
    )


def refused(process: Process, stop: Stop, path: bytes, now_ns: int, stack: bytes) -> bytes:
    """Of a thread whose exec of `path` has failed, with the addresses of its frames."""
    width = 8 if by_mark()[stop.mark].abi == 0 else 4
    argv, whole = process.memory.strings(stop.args[path_argument(stop) + 1], width)
    _, place = folders(process.pid)
    return _fitting(
        process,
        now_ns=now_ns,
        tid=stop.tid,
        path=path,
        argv=argv,
        error=stop.result,
        whole=whole,
        place=place,
        stack=stack,
    )


def path_argument(stop: Stop) -> int:
    """Position of the path among the arguments of an exec; the argument vector follows it."""
    return by_mark()[stop.mark].paths[0] - 1


def _fitting(
    process: Process,
    *,
    now_ns: int,
    path: bytes,
    argv: bytes | None,
    env: bytes | None = None,
    cwd: bytes | None = None,
    tid: int = 0,
    error: int = 0,
    whole: bool = True,
    suppressed: bool = False,
    place: records.Place = records.HERE,
    stack: bytes = b"",
) -> bytes:
    """The record of an exec. Half an environment would take the other half for unset, so it is all or nothing."""
    true_length = len(argv or b"")
    cut = true_length > _LARGEST_BLOCK
    if env is not None and len(env) > _LARGEST_BLOCK:
        env = None
    return records.execution(
        now_ns,
        process.who(tid or process.pid),
        path=path,
        argv=argv[:_LARGEST_BLOCK] if argv is not None else None,
        env=env,
        cwd=cwd,
        error=error,
        argv_bytes=true_length if cut and whole else 0,
        truncated=cut or not whole,
        suppressed=suppressed,
        place=place,
        stack=stack,
    )
