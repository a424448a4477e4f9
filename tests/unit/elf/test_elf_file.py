"""Segments, sections and addresses of a file, whatever its byte order and class; and files that are none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gotrace.elf.elf_file import ElfFile
from tests.unit.elf.made import MACHINES, READ, RUN, WRITE, Machine, Part, elf, elf_file, opened

PARTS = [
    Part(".rodata", b"constants\0", 0x1000, READ),
    Part(".text", b"\x90" * 48, 0x2010, READ | RUN),
    Part(".data", b"data", 0x3020, READ | WRITE),
    Part(".comment", b"not loaded"),
]


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("machine", MACHINES, ids=["x86_64", "i386", "s390x", "mips"])
def test_bytes_are_found_by_address_and_by_section(machine: Machine) -> None:
    with elf_file(elf(PARTS, machine)) as file:
        assert [segment.address for segment in file.loaded] == [0x1000, 0x2010, 0x3020]
        assert [section.name for section in file.sections][1:] == [".rodata", ".text", ".data", ".comment", ".shstrtab"]
        assert file.at(0x1003, 4) == b"stan"
        assert file.at(0x3022, 100) == b"ta"
        assert file.at(0x4000, 4) == b""
        comment = file.section(".comment")
        assert comment is not None
        assert file.read(comment.offset, comment.size) == b"not loaded"
        text = file.offset_of(0x2011)
        assert text is not None
        assert file.address_of(text) == 0x2011
        assert (file.is_code(0x2011), file.is_code(0x1001), file.is_code(0x2040)) == (True, False, False)


def test_without_section_headers_segments_remain() -> None:
    with elf_file(elf(PARTS, sections=False)) as file:
        assert file.sections == ()
        assert file.at(0x1000, 9) == b"constants"


def test_an_address_of_a_process_becomes_one_of_the_file() -> None:
    with elf_file(elf(PARTS, type=3)) as file:
        text = next(segment for segment in file.loaded if segment.address == 0x2010)
        # The kernel maps whole pages: this small file's first page is mapped once for each of its segments.
        base, mapping = 0x7F0000000000, 0
        assert file.address_at(base + text.offset + 5, base, mapping) == 0x2015
        # A part of a mapping that was split by mprotect(2) begins elsewhere in the file.
        assert file.address_at(base + text.offset + 5, base + 16, 16) == 0x2015
        assert file.address_at(base + 0x10000, base, mapping) is None


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"#!/bin/sh\n" * 10, b"\x7fELF\x09\x01" + bytes(60)])
def test_what_is_no_elf_file_is_none(data: bytes) -> None:
    with opened(data) as fd:
        assert ElfFile.open(fd) is None


def test_neither_a_folder_nor_a_fifo_is_one_and_none_is_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert ElfFile.open(tmp_path) is None
    assert ElfFile.open(tmp_path / "fifo") is None
    with pytest.raises(FileNotFoundError):
        ElfFile.open(tmp_path / "gone")


def test_the_descriptor_stays_open_and_its_own_is_closed() -> None:
    with opened(elf(PARTS)) as fd:
        before = descriptors()
        file = ElfFile.open(fd)
        assert file is not None
        file.close()
        file.close()
        assert descriptors() == before
        os.fstat(fd)


def test_a_file_that_is_cut_short_while_it_is_open_gives_less() -> None:
    with opened(elf(PARTS)) as fd:
        file = ElfFile.open(fd)
        assert file is not None
        assert file.at(0x3020, 4) == b"data"
        os.ftruncate(fd, 100)
        assert file.at(0x3020, 4) == b""


def test_parts_over_each_other_are_not_read_again_and_again() -> None:
    with elf_file(elf(PARTS)) as file:
        pieces = list(file.pieces([(0, file.size)] * 1000))
        assert sum(len(data) for _, data in pieces) <= 2 * file.size
        assert pieces[0] == (0, file.read(0, file.size))
