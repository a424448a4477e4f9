"""What /proc knows of a process that has just executed a program (proc(5)): command line, file, environment, folder.

All of it is gone when the process has ended, so what matters most is read first.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

from gotrace.sources.mounts import mount_namespace
from gotrace.sources.netlink.records import ExecRecord

_DELETED: Final = b" (deleted)"
_PIECE: Final = 1 << 16

_own_mounts = cache(mount_namespace)


def look_up(execs: Sequence[ExecRecord]) -> None:
    """Fill in what can still be read."""
    for one in execs:
        # Empty is what a process has that ended; a program that was given no arguments has one of no letters.
        one.cmdline = _file(one.pid, "cmdline") or None
        one.path = _link(one.pid, "exe")
    for one in execs:
        one.environ = _environment(one.pid)
        one.cwd = _link(one.pid, "cwd")
        one.root = _link(one.pid, "root")
        mounts = mount_namespace(one.pid)
        one.mount_namespace = 0 if mounts == _own_mounts() else mounts


def name_as_executed(one: ExecRecord) -> None:
    """Where the first argument leads to the file that runs, it says better what was executed: /usr/bin/gcc, not
    /usr/bin/x86_64-linux-gnu-gcc-12."""
    if one.path is None or one.cmdline is None:
        return
    first = one.cmdline.partition(b"\0")[0]
    for candidate in _candidates(first, one.environ or b"", one.cwd):
        if os.path.realpath(candidate) == one.path:
            one.path = candidate
            return


def has_ended(pid: int) -> bool:
    """Whether the process is gone, or waits for its parent to notice."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return True
    return stat.rpartition(b")")[2].split()[0] in (b"Z", b"X")


def _candidates(name: bytes, environ: bytes, cwd: bytes | None) -> list[bytes]:
    """Files that a caller may have meant by `name`: where it has no slash, it was looked for in PATH."""
    if b"/" in name:
        return [os.path.normpath(os.path.join(cwd or b"/", name))]  # noqa: PTH118  bytes
    path = next((entry[5:] for entry in environ.split(b"\0") if entry.startswith(b"PATH=")), b"")
    return [folder + b"/" + name for folder in path.split(b":") if folder.startswith(b"/")] if name else []


def _environment(pid: int) -> bytes | None:
    """None too where it is empty because the process has just ended."""
    block = _file(pid, "environ")
    return block if block or _file(pid, "cmdline") else None


def _file(pid: int, name: str) -> bytes | None:
    """By bare system calls: what Python's file objects do besides takes longer than some programs live."""
    try:
        descriptor = os.open(f"/proc/{pid}/{name}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        pieces = [os.read(descriptor, _PIECE)]
        while len(pieces[-1]) == _PIECE:
            pieces.append(os.read(descriptor, _PIECE))
        return b"".join(pieces)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _link(pid: int, name: str) -> bytes | None:
    try:
        target = os.readlink(f"/proc/{pid}/{name}".encode())  # noqa: PTH115  names are bytes
    except OSError:
        return None
    return target.removesuffix(_DELETED)
