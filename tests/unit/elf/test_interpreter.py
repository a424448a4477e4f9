"""The loader that a program names, in files built here byte by byte."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gotrace.elf.interpreter import read_interpreter

_LOADER = "/lib64/ld-linux-x86-64.so.2"


def program(loader: str | None, at: int | None = None) -> bytes:
    """A 64-bit program of nothing but a PT_INTERP (or, without a loader, a PT_LOAD), whose text is at offset `at`."""
    text = b"" if loader is None else loader.encode() + b"\0"
    start = 64 + 56
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = ident + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    offset = start if at is None else at
    segment = struct.pack("<IIQQQQQQ", 1 if loader is None else 3, 4, offset, 0, 0, len(text), len(text), 1)
    return header + segment + text


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "program"


def test_it_names_its_loader(file: Path) -> None:
    file.write_bytes(program(_LOADER))
    assert read_interpreter(file) == _LOADER


def test_a_static_program_names_none(file: Path) -> None:
    file.write_bytes(program(None))
    assert read_interpreter(file) is None


def test_a_script_names_none(file: Path) -> None:
    file.write_text("#!/bin/sh\n")
    assert read_interpreter(file) is None


@pytest.mark.parametrize("nowhere", [1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1])
def test_a_segment_that_lies_nowhere_names_no_loader(file: Path, nowhere: int) -> None:
    """A seek there is refused by the system with an OSError: that is damage to the file, no trouble with reading it."""
    file.write_bytes(program(_LOADER, at=nowhere))
    assert not read_interpreter(file)


def test_a_file_that_is_not_there_is_an_error(file: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_interpreter(file)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 200), st.integers(0, 255), st.integers(0, 200))
def test_damage_is_no_traceback(tmp_path_factory: pytest.TempPathFactory, at: int, byte: int, cut: int) -> None:
    data = bytearray(program(_LOADER))
    data[at % len(data)] = byte
    file = tmp_path_factory.mktemp("damaged") / "program"
    file.write_bytes(data[: max(cut, 20)])
    assert isinstance(read_interpreter(file), str | None)
