"""Bytes as text and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotrace.events.text import printable, to_bytes


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", ""),
        (b"/usr/bin/gcc", "/usr/bin/gcc"),
        ("/home/jürgen/日本".encode(), "/home/jürgen/日本"),
        (b"caf\xe9", r"caf\xe9"),
        (b"a\\b", r"a\\b"),
        (rb"\xe9", r"\\xe9"),  # the four characters, not the byte
        (b"\\\xff", r"\\\xff"),
        (b"\xed\xa0\x80", r"\xed\xa0\x80"),  # a surrogate half is no UTF-8
        (b"\xc0\xaf", r"\xc0\xaf"),  # nor is an overlong slash
        (b"a\n\t\x1b[31m\x00", "a\n\t\x1b[31m\x00"),
    ],
)
def test_bytes_become_text_that_tells_them_all(raw: bytes, text: str) -> None:
    assert printable(raw) == text
    assert to_bytes(text) == raw


@given(
    st.binary() | st.lists(st.sampled_from([b"\\", b"x", b"4", b"1", b"f", b"\xff", b"\xc3", b"\xa9"])).map(b"".join)
)
def test_no_byte_is_lost(raw: bytes) -> None:
    assert to_bytes(printable(raw)) == raw


@given(st.binary(), st.binary())
def test_different_names_never_look_the_same(one: bytes, other: bytes) -> None:
    assert (printable(one) == printable(other)) == (one == other)


@pytest.mark.parametrize("text", [r"a\b", "\\", r"\x4", r"\xFF", "\\\n"])
def test_a_backslash_that_starts_no_escape_stays(text: str) -> None:
    assert to_bytes(text) == text.encode()


@given(st.text(alphabet=st.characters(codec=None)))
def test_any_text_has_bytes(text: str) -> None:
    assert isinstance(to_bytes(text), bytes)
