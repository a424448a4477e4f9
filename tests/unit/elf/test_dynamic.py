"""The dynamic section of a shared object, built here byte by byte."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gotrace.elf.dynamic import Dynamic, read_dynamic

_BASE = 64 + 2 * 56


def shared_object(soname: str, needed: tuple[str, ...] = (), runpath: str = "") -> bytes:
    """A 64-bit shared object of nothing but a PT_LOAD, a PT_DYNAMIC and its string table (elf(5))."""
    strings, tags = b"\0", []
    for tag, text in [(14, soname), *((1, name) for name in needed), (29, runpath)]:
        if text:
            tags.append((tag, len(strings)))
            strings += text.encode() + b"\0"
    table = _BASE + 16 * (len(tags) + 3)
    tags += [(5, table), (10, len(strings)), (0, 0)]
    size = table + len(strings)
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = ident + struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    load = struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, size, size, 4096)
    dynamic = struct.pack("<IIQQQQQQ", 2, 6, _BASE, _BASE, _BASE, 16 * len(tags), 16 * len(tags), 8)
    return header + load + dynamic + b"".join(struct.pack("<QQ", *tag) for tag in tags) + strings


def test_it_says_its_name_its_needs_and_where_it_looks(tmp_path: Path) -> None:
    path = tmp_path / "libfoo.so"
    path.write_bytes(shared_object("libfoo.so.1", ("libc.so.6", "libm.so.6"), "$ORIGIN:/opt/lib"))
    assert read_dynamic(path) == Dynamic("libfoo.so.1", ("libc.so.6", "libm.so.6"), ("$ORIGIN", "/opt/lib"))


def test_a_file_that_is_no_elf_has_none(tmp_path: Path) -> None:
    path = tmp_path / "libc.so"
    path.write_text("GROUP ( /lib/libc.so.6 )")
    assert read_dynamic(path) is None


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_dynamic(tmp_path / "gone.so")


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 400), st.integers(0, 255), st.integers(0, 400))
def test_damage_is_no_traceback(tmp_path_factory: pytest.TempPathFactory, at: int, byte: int, cut: int) -> None:
    data = bytearray(shared_object("libfoo.so.1", ("libc.so.6",), "/opt/lib"))
    data[at % len(data)] = byte
    path = tmp_path_factory.mktemp("damaged") / "libfoo.so"
    path.write_bytes(data[: max(cut, 20)])
    dynamic = read_dynamic(path)
    assert dynamic is None or isinstance(dynamic, Dynamic)
