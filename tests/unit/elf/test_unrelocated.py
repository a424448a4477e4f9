"""Words of a file that hold an address before it is relocated: slots of functions, packed relocations."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from gotrace.elf.unrelocated import Held, holding
from tests.unit.elf.made import READ, RUN, WRITE, Machine, Part, Sym, elf, opened
from tests.unit.elf.made_dynamic import dynamic

SLOTS, RELA, RELR, INIT, DATA = 0x4000, 0x600, 0x800, 0x5000, 0x6000
JUMP_SLOT = 7
SYMBOLS = [Sym("puts", 0, section=0), Sym("__sprintf_chk", 0, section=0)]


def words(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}Q", *values)


def library(*, packed: bytes = b"", machine: Machine | None = None) -> bytes:
    """Slots of two functions at 0x4000, a constructor at 0x5000, and 70 pointers from 0x6000 on."""
    entries = [(SLOTS + 8 * place, place + 1) for place in range(2)]
    rela = b"".join(struct.pack("<QQq", at, symbol << 32 | JUMP_SLOT, 0) for at, symbol in entries)
    flags = [(23, RELA), (2, len(rela)), (25, INIT), (27, 8)]
    flags += [(36, RELR), (35, len(packed))] if packed else []
    parts = [
        *dynamic(SYMBOLS, flags=flags, **({"machine": machine} if machine else {})),  # type: ignore[arg-type]
        Part(".rela.plt", rela, RELA),
        Part(".got.plt", words(0x1036, 0x1046), SLOTS, READ | WRITE),
        Part(".init_array", words(0x10E0), INIT, READ | WRITE),
        Part(".data.rel.ro", words(*(0x2000 + 16 * place for place in range(70))), DATA, READ | WRITE),
        Part(".text", bytes(64), 0x1000, READ | RUN),
        *([Part(".relr.dyn", packed, RELR)] if packed else []),
    ]
    return elf(parts, *([machine] if machine else []), type=3)


def held(data: bytes, value: int) -> Held | None:
    with opened(data) as fd:
        return holding(fd, value)


def test_a_slot_tells_the_function() -> None:
    assert held(library(), 0x1036) == Held("plt", symbol="puts")
    assert held(library(), 0x1046) == Held("plt", symbol="__sprintf_chk")


def test_a_word_without_a_packed_relocation_is_none() -> None:
    assert held(library(), 0x10E0) is None
    assert held(library(), 0x2000) is None


def test_packed_relocations_one_by_one() -> None:
    data = library(packed=words(INIT, DATA))
    assert held(data, 0x10E0) == Held("relr", table="init_array")
    assert held(data, 0x2000) == Held("relr")
    assert held(data, 0x2010) is None


def test_packed_relocations_as_bits() -> None:
    """The entry after an address says which of the 63 words behind it, and a second one which of the 63 after these."""
    data = library(packed=words(DATA, 1 << 1 | 1 << 3 | 1, 1 << 5 | 1))
    found = [place for place in range(70) if held(data, 0x2000 + 16 * place) == Held("relr")]
    assert found == [0, 1, 3, 1 + 63 + 4]


@pytest.mark.parametrize("value", [0, 1, 0x1047, 2**63])
def test_a_number_that_is_no_words(value: int) -> None:
    assert held(library(packed=words(INIT)), value) is None


def test_files_that_have_no_such_tables(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("no program\n")
    assert holding(text, 0x1046) is None
    assert held(elf([Part(".text", bytes(64), 0x1000, READ | RUN)]), 0x1046) is None
    assert held(library(machine=Machine(bits=32, number=3)), 0x1046) is None


def test_a_file_that_was_cut_anywhere_is_no_reason_to_fail() -> None:
    data = library(packed=words(INIT, DATA, 2**64 - 1))
    for size in range(0, len(data), 37):
        held(data[:size], 0x1046)
    far = library(packed=words(2**64 - 2, 2**64 - 1, 2**64 - 1))
    assert held(far, 0x10E0) is None
