"""Socket addresses: from the bytes of a call to text, and from there to strace's notation."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotrace.events.addresses import render, socket_address


def inet(host: str, port: int, zero: bytes = bytes(8)) -> bytes:
    return struct.pack("<H", 2) + struct.pack(">H", port) + socket.inet_pton(socket.AF_INET, host) + zero


def inet6(host: str, port: int, scope: int | None = 0) -> bytes:
    head = struct.pack("<H", 10) + struct.pack(">HI", port, 7) + socket.inet_pton(socket.AF_INET6, host)
    return head if scope is None else head + struct.pack("<I", scope)


def unix(name: bytes) -> bytes:
    return struct.pack("<H", 1) + name


@pytest.mark.parametrize(
    ("raw", "text", "line"),
    [
        (
            inet("127.0.0.1", 1),
            "127.0.0.1:1",
            '{sa_family=AF_INET, sin_port=htons(1), sin_addr=inet_addr("127.0.0.1")}',
        ),
        (
            inet("0.0.0.0", 65535, b"garbage!"),
            "0.0.0.0:65535",
            '{sa_family=AF_INET, sin_port=htons(65535), sin_addr=inet_addr("0.0.0.0")}',
        ),
        (inet6("::", 18099), "[::]:18099", '{sa_family=AF_INET6, sin6_port=htons(18099), sin6_addr="::"}'),
        (inet6("::1", 80, None), "[::1]:80", '{sa_family=AF_INET6, sin6_port=htons(80), sin6_addr="::1"}'),
        (
            inet6("fe80::1", 80, 2) + bytes(82),
            "[fe80::1%2]:80",
            '{sa_family=AF_INET6, sin6_port=htons(80), sin6_addr="fe80::1", sin6_scope_id=2}',
        ),
        (
            inet6("::ffff:1.2.3.4", 9),
            "[::ffff:1.2.3.4]:9",
            '{sa_family=AF_INET6, sin6_port=htons(9), sin6_addr="::ffff:1.2.3.4"}',
        ),
        (unix(b"/run/x.sock\0left over"), "unix:/run/x.sock", '{sa_family=AF_UNIX, sun_path="/run/x.sock"}'),
        (unix(b"x"), "unix:x", '{sa_family=AF_UNIX, sun_path="x"}'),
        (unix(b"\0name"), "unix:@name", '{sa_family=AF_UNIX, sun_path=@"name"}'),
        (unix(b"\0a\0b"), "unix:@a\0b", r'{sa_family=AF_UNIX, sun_path=@"a\0b"}'),
        (unix(b"@name"), "unix:./@name", '{sa_family=AF_UNIX, sun_path="./@name"}'),
        (unix(b'/a"\n\xff'), 'unix:/a"\n\\xff', r'{sa_family=AF_UNIX, sun_path="/a\"\n\xff"}'),
        (unix(b""), "unix:", "{sa_family=AF_UNIX}"),
    ],
)
def test_an_address_that_is_told(raw: bytes, text: str, line: str) -> None:
    assert socket_address(raw) == text
    assert render(text) == line


@pytest.mark.parametrize(
    "raw", [b"", b"\x02", b"\x02\0", inet("1.2.3.4", 5)[:7], inet6("::", 5)[:23], struct.pack("<H", 16) + bytes(10)]
)
def test_one_that_is_cut_or_of_another_family_is_not(raw: bytes) -> None:
    assert socket_address(raw) == ""


@given(st.binary(max_size=110))
def test_whatever_a_program_hands_over(raw: bytes) -> None:
    text = socket_address(raw)
    assert not text or render(text).startswith("{sa_family=AF_")


@pytest.mark.parametrize("text", ["nonsense", '1.2.3.4:5"', "[::1]:80\n", "[x]:1", "1.2.3.4:123456"])
def test_what_a_recording_may_say_is_quoted(text: str) -> None:
    assert render(text).startswith('{"')
    assert "\n" not in render(text)
