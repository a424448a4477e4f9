"""Recordings for tests, made in memory."""

from __future__ import annotations

import io
from collections.abc import Sequence

import msgspec
import zstandard

from gotrace.events.model import (
    ClockReads,
    Dlerror,
    Dlopen,
    Dlsym,
    Exec,
    Exit,
    Fact,
    Fork,
    Frame,
    KnownEvent,
    Library,
    Lost,
    Output,
    Signal,
    SyscallError,
)
from gotrace.events.recording import Header

HEADER = Header(version="0.1.0", argv=("go", "build", "."), cwd="/src", source="ebpf", observes=("execs",), boot_id="b")
HEADER_LINE = b'{"magic":"gotrace","schema":1,"argv":["go","build","."]}'

EVENTS: list[KnownEvent] = [
    Fork(ts_ns=1, pid=10, child_pid=11),
    Exec(ts_ns=2, pid=11, path="/usr/bin/gcc", argv=("gcc", r"caf\xe9", ""), env={"CC": "gcc"}, cwd="/src"),
    Exec(ts_ns=3, pid=11, tid=12, seq=3, ns_pid=2, path="/usr/bin/as", argv=("as",), error=2, argv_bytes=99),
    SyscallError(ts_ns=4, pid=11, syscall="openat", errno=2, paths=("/a\n",), args=(2**64 - 100, 0), ip=2**64 - 1),
    Output(ts_ns=5, pid=11, text="fatal error: ü\n", truncated=True),
    Fact(ts_ns=6, pid=11, name="goenv", subject="/go", data={"values": {"GOOS": "linux"}, "written": [], "pid": 1}),
    Lost(ts_ns=7, pid=0, what="exec", count=3, reason="ring full", since_ns=1, exact=False),
    Library(ts_ns=8, pid=11, path="/lib/libssl.so.3", base=2**47 - 4096, size=4096, inode=2**63, build_id="00ff"),
    Dlopen(ts_ns=8, pid=11, filename="libssl.so.3", flags=1, handle=2**47, caller=Frame(ip=7, origin="c")),
    Dlsym(ts_ns=8, pid=11, symbol="SSL_library_init", handle=2**47, address=0),
    Dlerror(ts_ns=8, pid=11, text="undefined symbol: SSL_library_init"),
    Dlerror(ts_ns=8, pid=11, tid=12, text=None),
    Signal(ts_ns=8, pid=11, signal=11, code=1, handled=True, stack=(Frame(ip=0), Frame(ip=9, symbol="main.main"))),
    ClockReads(
        ts_ns=8, pid=11, syscall="clock_gettime", count=2**40, began_ns=1, ip=9, place=Frame(ip=9, origin="vdso")
    ),
    Exit(ts_ns=8, pid=11, status=1),
    Exit(ts_ns=9, pid=10, signal=11, core=True),
]
LINES = [msgspec.json.encode(event) for event in EVENTS]


def file_of(*lines: bytes, end: bytes = b"\n") -> io.BytesIO:
    """A recording of these lines after the usual header."""
    return io.BytesIO(b"\n".join([HEADER_LINE, *lines]) + end)


def packed(data: bytes) -> bytes:
    """`data` as a zstd frame of several blocks, with checksum."""
    return zstandard.ZstdCompressor(level=1, write_checksum=True).compress(data)


def many(count: int) -> Sequence[bytes]:
    """Lines of `count` different exits."""
    return [msgspec.json.encode(Exit(ts_ns=7919 * n * n, pid=n + 1, status=n % 251)) for n in range(count)]
