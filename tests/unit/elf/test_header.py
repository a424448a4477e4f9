"""ELF headers and archives of them: for which machine is a file?"""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gotrace.elf.header import archive_header, parse_header


def elf(machine: int, *, bits: int = 64, little: bool = True, file_type: int = 3) -> bytes:
    ident = b"\x7fELF" + bytes([bits // 32, 1 if little else 2, 1]) + bytes(9)
    return ident + struct.pack("<HH" if little else ">HH", file_type, machine)


def archive(*members: bytes) -> bytes:
    data = b"!<arch>\n"
    for member in members:
        data += b"%-48s%-10d`\n" % (b"name/", len(member)) + member + b"\n" * (len(member) % 2)
    return data


@pytest.mark.parametrize(
    ("data", "machine"),
    [
        (elf(62), "x86_64"),
        (elf(62, bits=32), "x32"),
        (elf(3, bits=32), "i386"),
        (elf(183), "aarch64"),
        (elf(40, bits=32), "arm"),
        (elf(243), "riscv64"),
        (elf(243, bits=32), "riscv32"),
        (elf(21), "powerpc64le"),
        (elf(21, little=False), "powerpc64"),
        (elf(8, bits=32), "mipsel"),
        (elf(8, little=False), "mips64"),
        (elf(22, little=False), "s390x"),
        (elf(4711), "machine 4711"),
    ],
)
def test_a_machine_is_called_as_in_target_triples(data: bytes, machine: str) -> None:
    header = parse_header(data)
    assert header is not None
    assert header.machine == machine


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"#!/bin/sh\n" * 4, b"\x7fELF\x03" + elf(62)[5:], elf(62)[:-1]])
def test_anything_else_has_no_header(data: bytes) -> None:
    assert parse_header(data) is None


@given(st.binary(max_size=64))
def test_no_bytes_break_the_parser(data: bytes) -> None:
    header = parse_header(data)
    assert header is None or data.startswith(b"\x7fELF")


def test_an_archive_is_for_the_machine_of_its_first_object(tmp_path: Path) -> None:
    path = tmp_path / "libfoo.a"
    path.write_bytes(archive(b"symbols", b"odd", elf(183), elf(62)))
    header = archive_header(path)
    assert header is not None
    assert header.machine == "aarch64"
    assert parse_header(path.read_bytes()) is None


@given(st.binary(max_size=300))
@example(b"!<arch>\n" + b"x" * 48 + b"99999999999" + b"`\n")
@example(archive(b"a", b"b"))
def test_no_bytes_break_the_archive_reader(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("archive") / "lib.a"
    path.write_bytes(b"!<arch>\n" + data)
    header = archive_header(path)
    assert header is None or b"\x7fELF" in data
