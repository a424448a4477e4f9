"""The records of this source: one JSON array a line, of an event as it is known when it happens, and their decoder.

    ["fork", ts_ns, pid, tid, child]
    ["exec", ts_ns, pid, tid, path, cmdline, environ, cwd, root, mount_namespace]
    ["exit", ts_ns, pid, tid, code]

`path`, `cmdline`, `environ`, `cwd` and `root` are bytes in base64 as /proc/PID has them (proc(5)), or null where they
could not be read; `mount_namespace` is 0 where it is our own; `code` is the status that wait(2) gives. `ts_ns` is
CLOCK_MONOTONIC.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from gotrace.events.model import Event, Exec, Exit, Fork
from gotrace.events.text import printable

FORMAT: Final = 1
"""Told in `decoder_info`; another number when the records change."""

_CORE: Final = 0x80
_SIGNAL: Final = 0x7F


class ForkRecord(msgspec.Struct, tag="fork", array_like=True, frozen=True):
    """A new process."""

    ts_ns: int
    pid: int
    tid: int
    child: int


class ExecRecord(msgspec.Struct, tag="exec", array_like=True):
    """Another program in a process; what /proc knew of it is filled in afterwards."""

    ts_ns: int
    pid: int
    tid: int
    path: bytes | None = None
    cmdline: bytes | None = None
    environ: bytes | None = None
    cwd: bytes | None = None
    root: bytes | None = None
    mount_namespace: int = 0

    def forget(self) -> None:
        """Take back what was read: it may be of another program."""
        self.path = self.cmdline = self.environ = self.cwd = self.root = None
        self.mount_namespace = 0


class ExitRecord(msgspec.Struct, tag="exit", array_like=True, frozen=True):
    """The end of a process."""

    ts_ns: int
    pid: int
    tid: int
    code: int


Record = ForkRecord | ExecRecord | ExitRecord


def decoder_info(source: str) -> dict[str, Any]:
    """What a decoder of these records needs to know."""
    return {"source": source, "format": FORMAT}


class NetlinkDecoder:
    """Makes events of records; see `gotrace.sources.base.Decoder`."""

    def __init__(self, info: Mapping[str, Any]) -> None:
        """`info` is a capture's `decoder_info`.

        Raises:
            ValueError: these are records of another format.
        """
        if info.get("format") != FORMAT:
            raise ValueError(f"records of format {info.get('format')!r}, not {FORMAT}")
        self._decoder = msgspec.json.Decoder(Record)

    def decode(self, data: bytes) -> list[Event]:
        """Events of whole lines, in their order."""
        return [_event(record) for record in self._decoder.decode_lines(data)]


def _event(record: Record) -> Event:
    if isinstance(record, ForkRecord):
        return Fork(ts_ns=record.ts_ns, pid=record.pid, tid=record.tid, child_pid=record.child)
    if isinstance(record, ExitRecord):
        signal = record.code & _SIGNAL
        return Exit(
            ts_ns=record.ts_ns, pid=record.pid, tid=record.tid, status=None if signal else record.code >> 8 & 0xFF,
            signal=signal or None, core=bool(record.code & _CORE),
        )  # fmt: skip
    root = (record.root or b"").removesuffix(b"/")
    return Exec(
        ts_ns=record.ts_ns,
        pid=record.pid,
        tid=record.tid,
        path=printable(_below(root, record.path or b"")),
        argv=None if record.cmdline is None else tuple(map(printable, _strings(record.cmdline))),
        env=None if record.environ is None else _variables(record.environ),
        cwd=None if record.cwd is None else printable(_below(root, record.cwd)),
        root=printable(root),
        mount_namespace=record.mount_namespace,
    )


def _below(root: bytes, path: bytes) -> bytes:
    """As the process itself names it: /proc names files as we would."""
    return path[len(root) :] or b"/" if root and (path == root or path.startswith(root + b"/")) else path


def _strings(block: bytes) -> list[bytes]:
    return block.removesuffix(b"\0").split(b"\0") if block else []


def _variables(block: bytes) -> dict[str, str]:
    variables = (entry.partition(b"=") for entry in _strings(block) if b"=" in entry)
    return {printable(name): printable(value) for name, _, value in variables}
