"""Words that a loader has to relocate, in libraries that gcc and ld made: against what binutils say of them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from gotrace.elf.unrelocated import Held, holding

_LIBRARY = """\
#include <stdio.h>
static int ready;
__attribute__((constructor)) static void get_ready(void) { ready = 1; }
static int seven(void) { return 7; }
static int eight(void) { return 8; }
static int (*table[])(void) = {seven, eight};
int answer(int which) { puts("asked"); return ready * 100 + table[which & 1](); }
"""


@pytest.fixture(params=["pack", "nopack"])
def library(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, bool]:
    """A library whose functions are looked up lazily, with packed relocations or without."""
    (tmp_path / "answer.c").write_text(_LIBRARY)
    options = ["-O1", "-shared", "-fPIC", "-Wl,-z,lazy", f"-Wl,-z,{request.param}-relative-relocs"]
    subprocess.run(["gcc", *options, "-o", "libanswer.so", "answer.c"], cwd=tmp_path, check=True)
    return tmp_path / "libanswer.so", request.param == "pack"


def address_of(path: Path, symbol: str) -> int:
    lines = subprocess.run(["nm", path], capture_output=True, text=True, check=True).stdout
    found = re.search(rf"^([0-9a-f]+) \w {symbol}$", lines, re.MULTILINE)
    assert found is not None
    return int(found[1], 16)


def plt_entries(path: Path) -> list[int]:
    """The addresses of what a slot holds at first: the push in an entry of .plt, behind the jump, or the entry."""
    lines = subprocess.run(["objdump", "-d", "-j", ".plt", path], capture_output=True, text=True, check=True).stdout
    pushes = re.finditer(r"^\s*([0-9a-f]+):\s.*\bpush\s+\$0x[0-9a-f]+$", lines, re.MULTILINE)
    return [int(push[1], 16) for push in pushes]


def test_the_slot_of_a_function_of_libc(library: tuple[Path, bool]) -> None:
    path, _ = library
    held = [one for address in plt_entries(path) if (one := holding(path, address)) is not None]
    assert Held("plt", symbol="puts") in held


def test_packed_relocations_in_tables_of_functions(library: tuple[Path, bool]) -> None:
    path, packed = library
    expected = [Held("relr"), Held("relr"), Held("relr", table="init_array")] if packed else [None] * 3
    assert [holding(path, address_of(path, name)) for name in ("seven", "eight", "get_ready")] == expected
