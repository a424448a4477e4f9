"""Symbols of objects and archives, as the linker sees them."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import pytest

from gotrace.elf.symbols import Symbols, symbols

GLOBAL, WEAK, LOCAL = 1 << 4, 2 << 4, 0


def object_file(symbols: Sequence[tuple[bytes, int, int]], *, wide: bool = True, order: str = "<") -> bytes:
    """A relocatable object: name, binding and section (0: undefined) of each symbol."""
    names, table = b"\0", bytes(24 if wide else 16)
    for name, binding, section in symbols:
        at = len(names)
        names += name + b"\0"
        if wide:
            table += struct.pack(order + "IBBHQQ", at, binding, 0, section, 0, 0)
        else:
            table += struct.pack(order + "IIIBBH", at, 0, 0, binding, 0, section)
    head, section_size = (64, 64) if wide else (52, 40)
    start = head + len(table) + len(names)
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, 1]) + bytes(9)
    if wide:
        rest = struct.pack(order + "HHIQQQIHHHHHH", 1, 62, 1, 0, 0, start, 0, head, 0, 0, section_size, 3, 2)
        layout = order + "IIQQQQIIQQ"
    else:
        rest = struct.pack(order + "HHIIIIIHHHHHH", 1, 3, 1, 0, 0, start, 0, head, 0, 0, section_size, 3, 2)
        layout = order + "IIIIIIIIII"
    sections = bytes(section_size)
    sections += struct.pack(layout, 0, 2, 0, 0, head, len(table), 2, 1, 8, 24 if wide else 16)
    sections += struct.pack(layout, 0, 3, 0, 0, head + len(table), len(names), 0, 0, 1, 0)
    return ident + rest + table + names + sections


def archive_of(*members: bytes) -> bytes:
    """An archive, after an index that is no ELF file."""
    data = b"!<arch>\n"
    for number, member in enumerate((b"index", *members)):
        name = b"/" if number == 0 else b"m%d.o/" % number
        data += name.ljust(16) + b"0".ljust(12) + b"0".ljust(6) * 2 + b"644".ljust(8)
        data += str(len(member)).encode().ljust(10) + b"`\n" + member + b"\n" * (len(member) % 2)
    return data


KNOWN = [(b"a", GLOBAL, 1), (b"b", GLOBAL, 0), (b"maybe", WEAK, 0), (b"inline", WEAK, 1), (b"static", LOCAL, 1)]


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("order", ["<", ">"])
def test_defined_and_undefined_of_an_object(wide: bool, order: str) -> None:
    found = list(symbols(object_file(KNOWN, wide=wide, order=order)))
    assert found == [Symbols(frozenset({b"a", b"inline"}), frozenset({b"b"}))]


def test_each_member_of_an_archive() -> None:
    data = archive_of(object_file([(b"a", GLOBAL, 1), (b"odd", GLOBAL, 1)]), object_file([(b"b", GLOBAL, 0)]))
    nothing = frozenset[bytes]()
    assert list(symbols(data)) == [Symbols(frozenset({b"a", b"odd"}), nothing), Symbols(nothing, frozenset({b"b"}))]


@pytest.mark.parametrize("data", [b"", b"text", b"!<arch>\n", b"!<arch>\n" + b"x" * 80, b"\x7fELF" + bytes(60)])
def test_what_is_no_object_has_none(data: bytes) -> None:
    assert list(symbols(data)) == []


def test_a_file_cut_anywhere_raises_nothing() -> None:
    whole = archive_of(object_file(KNOWN), object_file(KNOWN))
    for length in range(0, len(whole), 7):
        assert len(list(symbols(whole[:length]))) <= 2
