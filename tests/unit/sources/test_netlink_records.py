"""Records, and the events made of them."""

from __future__ import annotations

import msgspec
import pytest

from gotrace.events.model import Exec, Exit, Fork
from gotrace.sources.netlink.records import ExecRecord, ExitRecord, ForkRecord, NetlinkDecoder, Record, decoder_info


def lines(*records: Record) -> bytes:
    return b"".join(msgspec.json.encode(record) + b"\n" for record in records)


@pytest.fixture
def decoder() -> NetlinkDecoder:
    return NetlinkDecoder(decoder_info("netlink"))


def test_events_come_in_the_order_of_their_records(decoder: NetlinkDecoder) -> None:
    data = lines(ForkRecord(1, 10, 11, 12), ExecRecord(2, 12, 12), ExitRecord(3, 12, 13, 0))

    assert decoder.decode(data) == [
        Fork(ts_ns=1, pid=10, tid=11, child_pid=12),
        Exec(ts_ns=2, pid=12, tid=12, path=""),
        Exit(ts_ns=3, pid=12, tid=13, status=0),
    ]
    assert decoder.decode(b"") == []


def test_bytes_of_proc_become_text(decoder: NetlinkDecoder) -> None:
    record = ExecRecord(1, 2, 2, b"/b\xff\\", b"a\0\0two words\0", b"X=1=2\0nonsense\0E=\xfe\0", b"/tmp")

    assert decoder.decode(lines(record)) == [
        Exec(
            ts_ns=1,
            pid=2,
            tid=2,
            path="/b\\xff\\\\",
            argv=("a", "", "two words"),
            env={"X": "1=2", "E": "\\xfe"},
            cwd="/tmp",
        )
    ]


def test_files_are_called_as_the_process_does_below_its_root(decoder: NetlinkDecoder) -> None:
    inside = ExecRecord(1, 2, 2, b"/jail/bin/x", b"x\0", b"A=\0", b"/jail", b"/jail", 4026532177)
    outside = ExecRecord(1, 2, 2, b"/jailer", b"x\0", b"A=\0", b"/", b"/")

    events = [event for event in decoder.decode(lines(inside, outside)) if isinstance(event, Exec)]

    assert [(e.path, e.cwd, e.root, e.mount_namespace) for e in events] == [
        ("/bin/x", "/", "/jail", 4026532177),
        ("/jailer", "/", "", 0),
    ]


@pytest.mark.parametrize(
    ("code", "status", "signal", "core"),
    [(0, 0, None, False), (0x0300, 3, None, False), (9, None, 9, False), (11 | 0x80, None, 11, True)],
)
def test_the_code_is_a_wait_status(
    decoder: NetlinkDecoder, code: int, status: int | None, signal: int | None, core: bool
) -> None:
    assert decoder.decode(lines(ExitRecord(1, 2, 2, code))) == [
        Exit(ts_ns=1, pid=2, tid=2, status=status, signal=signal, core=core)
    ]


def test_records_of_another_format_are_refused() -> None:
    with pytest.raises(ValueError, match="format 99"):
        NetlinkDecoder({"source": "netlink", "format": 99})
