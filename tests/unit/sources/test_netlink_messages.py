"""Messages as the kernel sends them: bytes recorded from Linux 6.18, and what pyroute2 makes of the same bytes."""

from __future__ import annotations

import struct

import pytest

from gotrace.sources.netlink.messages import Acknowledged, Dialect, Ended, Executed, Forked, Numbered

HEADER = "4c000000 0300 0000 02000000 00000000"
CONNECTOR = "01000000 01000000 {seq} {ack} 2800 0000"

FORK = (
    HEADER + CONNECTOR.format(seq="91010000", ack="00000000") + "01000000 01000000 4465134fb3000000"
    "4c100000 4c100000 75100000 75100000 0000000000000000"
)
EXIT = (
    HEADER + CONNECTOR.format(seq="02000000", ack="00000000") + "00000080 00000000 4465134fb3000000"
    "5a0f0000 590f0000 00030000 11000000 310f0000 310f0000"
)
EXEC = HEADER + CONNECTOR.format(seq="03000000", ack="00000000") + "02000000 01000000 4465134fb3000000" + (
    "5b0f0000 5a0f0000" + "00000000" * 4
)  # fmt: skip
ANSWER = HEADER + CONNECTOR.format(seq="04000000", ack="78770700") + "00000000 01000000 4465134fb3000000" + (
    "01000000" + "00000000" * 5
)  # fmt: skip
RENAMED = HEADER + CONNECTOR.format(seq="05000000", ack="00000000") + "00020000 01000000 4465134fb3000000" + (
    "5b0f0000 5a0f0000 " + b"name".ljust(16, b"\0").hex()
)  # fmt: skip
WHEN = 0xB34F136544


@pytest.mark.parametrize(
    ("datagram", "expected"),
    [
        (FORK, Numbered(1, 0x191, Forked(WHEN, 0x104C, 0x104C, 0x1075, 0x1075))),
        (EXIT, Numbered(0, 2, Ended(WHEN, 0xF5A, 0xF59, 3 << 8))),
        (EXEC, Numbered(1, 3, Executed(WHEN, 0xF5B, 0xF5A))),
        (ANSWER, Numbered(1, 4, Acknowledged(0x77778, 1))),
        (RENAMED, Numbered(1, 5, None)),
    ],
    ids=["fork", "exit", "exec", "acknowledgement", "of no interest"],
)
def test_a_message_is_unpacked(datagram: str, expected: Numbered) -> None:
    assert Dialect().unpack(bytes.fromhex(datagram)) == expected


@pytest.mark.parametrize("length", [0, 16, 51, 60, 67])
def test_half_a_message_is_none(length: int) -> None:
    assert Dialect().unpack(bytes.fromhex(EXIT)[:length]) is None


def test_pyroute2_reads_the_same_from_the_same_bytes() -> None:
    from pyroute2.netlink.connector.cn_proc import ProcEventMarshal

    (theirs,) = ProcEventMarshal().parse(bytes.fromhex(EXIT))
    ours = Dialect().unpack(bytes.fromhex(EXIT))

    assert ours is not None
    assert isinstance(ours.message, Ended)
    assert (theirs["cpu"], theirs["seq"]) == (ours.cpu, ours.seq)
    assert ours.message == (
        theirs["timestamp_ns"],
        theirs["process_pid"],
        theirs["process_tgid"],
        theirs["exit_code"],
    )


@pytest.mark.parametrize(("listen", "action"), [(True, 1), (False, 2)])
def test_a_request_is_what_the_kernel_documents(listen: bool, action: int) -> None:
    header = struct.pack("=IHHII", 40, 3, 0, 0, 0)
    message = struct.pack("=IIIIHH", 1, 1, 0, 4711, 4, 0)

    assert Dialect().request(listen=listen, number=4711) == header + message + struct.pack("=I", action)
