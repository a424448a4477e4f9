"""Executable mappings: read from /proc/PID/maps of this very process, and what is new in them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gotrace.sources.ptrace import mappings
from gotrace.sources.ptrace.mappings import VDSO, Mapping, Mappings, mappings_of


def at(base: int, size: int, offset: int = 0, path: bytes = b"/lib/a.so", inode: int = 7) -> Mapping:
    return Mapping(base, size, offset, 1, inode, path)


def test_those_of_this_process() -> None:
    found = mappings_of(os.getpid())
    assert found is not None
    libc = next(one for one in found.all if b"/libc.so" in one.path or b"/libc-" in one.path)
    file = Path(os.fsdecode(libc.path)).stat()
    assert (libc.device, libc.inode) == (file.st_dev, file.st_ino)
    assert [one.base for one in found.all] == sorted(one.base for one in found.all)
    assert sum(one.path == VDSO for one in found.all) == 1
    assert not any(one.path == b"[vsyscall]" for one in found.all)


def test_those_of_nobody() -> None:
    assert mappings_of(1 << 22) is None


@pytest.mark.parametrize(
    ("line", "root", "expected"),
    [
        (b"7f20-7f40 r-xp 00001000 fe:01 12   /lib/libc.so.6", b"", b"/lib/libc.so.6"),
        (b"7f20-7f40 r-xp 00001000 fe:01 12   /tmp/a b (deleted)", b"", b"/tmp/a b"),
        (rb"7f20-7f40 r-xp 00001000 fe:01 12   /tmp/a\012b", b"", b"/tmp/a\nb"),
        (b"7f20-7f40 r-xp 00001000 fe:01 12   /jail/lib/ld.so", b"/jail", b"/lib/ld.so"),
        (b"7f20-7f40 r-xp 00001000 fe:01 12   /jailer/ld.so", b"/jail", b"/jailer/ld.so"),
        (b"7f20-7f40 rw-p 00001000 fe:01 12   /lib/libc.so.6", b"", None),
        (b"7f20-7f40 r-xp 00000000 00:00 0 ", b"", None),
        (b"7f20-7f40 --xp 00000000 00:00 0   [vsyscall]", b"", None),
        (b"", b"", None),
    ],
)
def test_a_line(line: bytes, root: bytes, expected: bytes | None) -> None:
    found = mappings._mapping(line, root)
    assert (found.path if found else None) == expected
    if found:
        assert found[:5] == (0x7F20, 0x20, 0x1000, os.makedev(0xFE, 1), 12)


def test_what_is_at_an_address() -> None:
    known = Mappings((at(10, 5), at(20, 5)))
    assert [known.at(address) for address in (9, 10, 14, 15, 20, 25)] == [
        None, known.all[0], known.all[0], None, known.all[1], None,
    ]  # fmt: skip


def test_what_is_new() -> None:
    known = Mappings((at(0x1000, 0x3000, 0x1000),))
    split = (at(0x1000, 0x1000, 0x1000), at(0x3000, 0x1000, 0x3000))
    assert known.new_in(Mappings(split)) == [], "a part of what was there"
    larger, moved, other = at(0x1000, 0x4000, 0x1000), at(0x2000, 0x1000, 0x1000), at(0x1000, 0x3000, 0x1000, inode=8)
    for one in (larger, moved, other):
        assert known.new_in(Mappings((one,))) == [one]
