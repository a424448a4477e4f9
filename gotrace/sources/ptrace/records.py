"""What the tracer tells gotrace: small binary records, packed by the one and turned into events by the other.

A record is a head and a body, padded to 8 bytes; all numbers are little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from gotrace.errors import RecordingError
from gotrace.events.addresses import socket_address
from gotrace.events.model import Event, Exec, Exit, Fork, Frame, Output, SyscallError
from gotrace.events.text import printable
from gotrace.sources.ptrace import bodies, mappings
from gotrace.sources.ptrace.calls import ABIS, call_of

if TYPE_CHECKING:
    from gotrace.sources.ptrace.stops import Stop

FORMAT: Final = 2
_READABLE: Final = frozenset({1, FORMAT})
"""Failing calls had no frames in the first one, and 0 where their number is now."""

FORK, EXEC, EXIT, OUTPUT, FAILURE, LIBRARY, CALL, SIGNAL, CLOCK_READS, STACK = range(1, 11)
TRUNCATED, SUPPRESSED, NO_ARGV, NO_ENV, NO_CWD, ELSEWHERE, IN_PROGRESS, WITH_STACK = 1, 2, 4, 8, 16, 32, 64, 128
"""Flags of a record."""

HEAD: Final = struct.Struct("<IHHQIIII")
"""Bytes of the record with its padding, kind, flags, time, pid, tid, pid in the innermost namespace, and a number: the
child of a fork, the errno of an exec or a failure, the wait status of an exit, the length of an output or of a
library's path, a signal's own, the mark of a call that reads a clock."""
_EXEC_BODY: Final = struct.Struct("<IIIIQ")
"""Bytes of path, argv, environment and working directory, and the true length of a cut argv."""
_PLACE: Final = struct.Struct("<II")
"""Behind the texts of an exec that is ELSEWHERE: inode number of the mount namespace, and bytes of the root's path."""
_FRAMES: Final = struct.Struct("<I")
"""Behind all that of an exec WITH_STACK: the number of frames, which follow."""
FAILURE_BODY: Final = struct.Struct("<HHHHQ6Q")
"""Mark of the call, bytes of its two paths (with NUL; 0: none), number of frames, instruction pointer, six arguments;
behind them the frames, 8 bytes each, and the paths; in their place the socket address of a call that names one."""
FAILURE_HEAD: Final = struct.Struct(HEAD.format + FAILURE_BODY.format.removeprefix("<"))

_CORE: Final = 0x80
_PADDING: Final = tuple(b"\0" * (-length & 7) for length in range(8))

_path = lru_cache(maxsize=16384)(printable)
_frame = lru_cache(maxsize=16384)(Frame)


class Place(NamedTuple):
    """Where a program's paths begin: see `gotrace.events.model.Exec`."""

    root: bytes
    mount_namespace: int


HERE: Final = Place(b"", 0)


class Who:
    """Whom a record is about: the ids that are part of every head."""

    __slots__ = ("ns_pid", "pid", "tid")

    def __init__(self, pid: int, tid: int, ns_pid: int) -> None:
        self.pid, self.tid, self.ns_pid = pid, tid, ns_pid


def _record(kind: int, ts_ns: int, who: Who, number: int, *, flags: int = 0, body: bytes = b"") -> bytes:
    padding = _PADDING[len(body) & 7]
    size = HEAD.size + len(body) + len(padding)
    return HEAD.pack(size, kind, flags, ts_ns, who.pid, who.tid, who.ns_pid, number) + body + padding


def library(ts_ns: int, who: Who, found: mappings.Mapping) -> bytes:
    """Code came into `who`."""
    return _record(LIBRARY, ts_ns, who, len(found.path), body=bodies.library(found))


def call(ts_ns: int, who: Who, made: bodies.Call) -> bytes:
    """A call of the loader by `who` returned."""
    return _record(CALL, ts_ns, who, 0, body=bodies.call(made))


def signal(ts_ns: int, who: Who, number: int, met: bodies.Fault) -> bytes:
    """The signal `number` is about to be delivered to `who`."""
    return _record(SIGNAL, ts_ns, who, number, body=bodies.fault(met))


def stack(ts_ns: int, who: Who, seen: bodies.Thread) -> bytes:
    """Where `who` was when a call failed that is told with the same time."""
    return _record(STACK, ts_ns, who, 0, body=bodies.thread(seen))


def failure(ts_ns: int, who: Who, stop: Stop, flags: int) -> bytes:
    """A call of `who` failed."""
    first, second = stop.path1_bytes, stop.path2_bytes
    size = FAILURE_HEAD.size + len(stop.stack) + first + second
    padding = -size & 7
    head = FAILURE_HEAD.pack(
        size + padding, FAILURE, flags, ts_ns, who.pid, who.tid, who.ns_pid, stop.result, stop.mark, first, second,
        len(stop.stack) // 8, stop.ip, *stop.args,
    )  # fmt: skip
    return head + stop.stack + stop.text + b"\0" * padding


def clock_reads(who: Who, mark: int, made: bodies.Reads) -> bytes:
    """`who` read the clock by calls of that mark."""
    return _record(CLOCK_READS, made.ts_ns, who, mark, body=bodies.clock_reads(made))


def fork(ts_ns: int, who: Who, child: int) -> bytes:
    """`who` made the process `child`."""
    return _record(FORK, ts_ns, who, child)


def exited(ts_ns: int, who: Who, wait_status: int) -> bytes:
    """`who` is gone, with a status as of wait(2)."""
    return _record(EXIT, ts_ns, who, wait_status)


def output(ts_ns: int, who: Who, text: bytes, *, truncated: bool) -> bytes:
    """`who` wrote `text` to its stderr; `truncated`: and more that is not kept."""
    return _record(OUTPUT, ts_ns, who, len(text), flags=TRUNCATED if truncated else 0, body=text)


def execution(
    ts_ns: int,
    who: Who,
    *,
    path: bytes,
    argv: bytes | None,
    env: bytes | None = None,
    cwd: bytes | None = None,
    error: int = 0,
    argv_bytes: int = 0,
    truncated: bool = False,
    suppressed: bool = False,
    place: Place = HERE,
    stack: bytes = b"",
) -> bytes:
    """`who` executed `path`, or tried to. `argv` and `env` are strings, each with its NUL; None: not known.

    `stack` are the addresses of its frames, 8 bytes each.
    """
    flags = (TRUNCATED if truncated else 0) | (SUPPRESSED if suppressed else 0)
    flags |= (NO_ARGV if argv is None else 0) | (NO_ENV if env is None else 0) | (NO_CWD if cwd is None else 0)
    texts = (path, argv or b"", env or b"", cwd or b"")
    body = _EXEC_BODY.pack(*map(len, texts), argv_bytes) + b"".join(texts)
    if place != HERE:
        flags |= ELSEWHERE
        body += _PLACE.pack(place.mount_namespace, len(place.root)) + place.root
    if stack:
        flags |= WITH_STACK
        body += _FRAMES.pack(len(stack) // 8) + stack
    return _record(EXEC, ts_ns, who, error, flags=flags, body=body)


_Decode = Callable[[dict[str, Any], int, int, bytes, int], Event | tuple[Event, ...]]
"""Makes an event, or several, of the common fields, flags and number of a head, and of the body at a position."""


def _of_run(decode: Callable[[dict[str, Any], int, bytes, int], Event | tuple[Event, ...]]) -> _Decode:
    return lambda who, _flags, number, data, at: decode(who, number, data, at)


class RecordDecoder:
    """Turns records into events; see `gotrace.sources.base.Decoder`."""

    def __init__(self, info: Mapping[str, Any]) -> None:
        """From the `decoder_info` of a ptrace capture.

        Raises:
            RecordingError: the records are in a format that this version does not know.
        """
        if info["format"] not in _READABLE:
            raise RecordingError(f"records of ptrace in format {info['format']!r}", "read it with a newer gotrace")
        self._decoders: dict[int, _Decode] = {
            FORK: self._fork,
            EXEC: self._exec,
            EXIT: self._exit,
            OUTPUT: self._output,
            FAILURE: self._failure,
            LIBRARY: _of_run(bodies.library_event),
            CALL: _of_run(bodies.call_event),
            SIGNAL: _of_run(bodies.signal_events),
            CLOCK_READS: _of_run(bodies.clock_reads_event),
            STACK: _of_run(bodies.call_moment),
        }

    def decode(self, data: bytes) -> list[Event]:
        """Events of whole records, in their order.

        Raises:
            ValueError: these are no records.
        """
        events: list[Event] = []
        position, end = 0, len(data)
        unpack, decoders = HEAD.unpack_from, self._decoders
        while position < end:
            size, kind, flags, ts_ns, pid, tid, ns_pid, number = unpack(data, position)
            if size < HEAD.size or position + size > end or kind not in decoders:
                raise ValueError(f"no record at byte {position}")
            who = {"ts_ns": ts_ns, "pid": pid, "tid": tid, "ns_pid": ns_pid if ns_pid != pid else None}
            found = decoders[kind](who, flags, number, data, position + HEAD.size)
            if isinstance(found, tuple):
                events.extend(found)
            else:
                events.append(found)
            position += size
        return events

    @staticmethod
    def _fork(who: dict[str, Any], _flags: int, number: int, _data: bytes, _at: int) -> Event:
        return Fork(**who, child_pid=number)

    @staticmethod
    def _exit(who: dict[str, Any], _flags: int, number: int, _data: bytes, _at: int) -> Event:
        signal = number & 0x7F
        status = None if signal else number >> 8 & 0xFF
        return Exit(**who, status=status, signal=signal or None, core=bool(number & _CORE))

    @staticmethod
    def _output(who: dict[str, Any], flags: int, number: int, data: bytes, at: int) -> Event:
        return Output(**who, text=printable(data[at : at + number]), truncated=bool(flags & TRUNCATED))

    @staticmethod
    def _exec(who: dict[str, Any], flags: int, number: int, data: bytes, at: int) -> Event:
        *sizes, argv_bytes = _EXEC_BODY.unpack_from(data, at)
        at += _EXEC_BODY.size
        texts = []
        for size in sizes:
            texts.append(data[at : at + size])
            at += size
        path, argv, env, cwd = texts
        mounts, root, frames = 0, b"", ()
        if flags & ELSEWHERE:
            mounts, size = _PLACE.unpack_from(data, at)
            at += _PLACE.size
            root = data[at : at + size]
            at += size
        if flags & WITH_STACK:
            (count,) = _FRAMES.unpack_from(data, at)
            frames = struct.unpack_from(f"<{count}Q", data, at + _FRAMES.size)
        return Exec(
            **who,
            path=printable(path),
            argv=None if flags & NO_ARGV else _strings(argv),
            env=None if flags & NO_ENV else _environment(env),
            cwd=None if flags & NO_CWD else printable(cwd),
            error=number,
            argv_bytes=argv_bytes if flags & TRUNCATED else None,
            suppressed=bool(flags & SUPPRESSED),
            root=printable(root),
            mount_namespace=mounts,
            stack=tuple(map(_frame, frames)),
        )

    def _failure(self, who: dict[str, Any], flags: int, number: int, data: bytes, at: int) -> Event:
        mark, first, second, frames, ip, *args = FAILURE_BODY.unpack_from(data, at)
        at += FAILURE_BODY.size
        stack = tuple(map(_frame, struct.unpack_from(f"<{frames}Q", data, at)))
        at += 8 * frames
        call = call_of(mark)
        if call is None:
            raise ValueError(f"no call has the mark {mark}")
        paths: tuple[str, ...] = ()
        address = ""
        if first and call.address:
            address = socket_address(data[at : at + first])
        elif first:
            paths = (_path(data[at : at + first - 1]),)
        if second:
            paths = (*paths, _path(data[at + first : at + first + second - 1]))
        return SyscallError(
            **who, abi=ABIS[call.abi], syscall=call.name, errno=number, paths=paths, args=tuple(args), ip=ip,
            stack=stack, address=address, in_progress=bool(flags & IN_PROGRESS),
        )  # fmt: skip


def _strings(block: bytes) -> tuple[str, ...]:
    return tuple(map(printable, block.removesuffix(b"\0").split(b"\0"))) if block else ()


def _environment(block: bytes) -> dict[str, str]:
    variables = (entry.partition(b"=") for entry in block.split(b"\0") if b"=" in entry)
    return {printable(name): printable(value) for name, _, value in variables}
