"""From a function to its caller by unwind tables: rules built here, and those of this machine's C library."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gotrace.elf.cfi import Caller, leave, way_out
from gotrace.elf.elf_file import ElfFile
from gotrace.elf.unwind.rules import How, Row, row_at
from gotrace.elf.unwind.tables import FrameTable
from tests.unit.elf.unwind_tables import CODE, SIZE, elf_with_tables

GLIBC = Path("/lib/x86_64-linux-gnu/libc.so.6")
STACK = 0x7FFF_0000_1000
REGISTERS = {"rip": CODE, "rsp": STACK, "rbp": STACK + 32, "rbx": 3, "r12": 12, "r15": 15, "rax": 1, "rdi": 5}


def stack_of(*words: int) -> bytes:
    return struct.pack(f"<{len(words)}Q", *words)


def caller_by(tmp_path: Path, rules: bytes, *words: int, place: int = CODE, **file: bytes) -> Caller | None:
    """The caller of the function with these rules; `words` are on the stack from rsp on."""
    path = tmp_path / "program"
    path.write_bytes(elf_with_tables(rules, **file))
    memory = stack_of(*words)

    def read(address: int, size: int) -> bytes | None:
        found = memory[address - STACK : address - STACK + size] if address >= STACK else b""
        return found if len(found) == size else None

    image = ElfFile.open(path)
    assert image is not None
    with image:
        description = FrameTable(image).covering(place)
        assert description is not None
        return leave(way_out(description, place), REGISTERS, read)


def test_at_the_entry_the_return_address_is_on_top_of_the_stack(tmp_path: Path) -> None:
    found = caller_by(tmp_path, b"", 0x4444)
    kept = {"rbx": 3, "rbp": STACK + 32, "r12": 12, "r15": 15}
    assert found == Caller({"rip": 0x4444, "rsp": STACK + 8, **kept}, interrupted=False)


def test_what_was_pushed_is_found_again(tmp_path: Path) -> None:
    # advance 1, frame at rsp + 16, rbx saved at frame - 16; advance 4, frame at rsp + 48
    rules = b"\x41\x0e\x10\x83\x02\x44\x0e\x30"
    found = caller_by(tmp_path, rules, 1, 2, 3, 4, 0xB, 0x5555, place=CODE + 9)
    assert found is not None
    assert found.registers["rbx"] == 0xB
    assert (found.registers["rip"], found.registers["rsp"]) == (0x5555, STACK + 48)


def test_the_rules_are_those_of_the_place(tmp_path: Path) -> None:
    rules = b"\x41\x0e\x10\x83\x02\x44\x0e\x30"
    words = (0x1, 0x2, 3, 4, 5, 6)
    returns = [caller_by(tmp_path, rules, *words, place=CODE + at) for at in (0, 1, 4, 5)]
    assert [found and found.registers["rip"] for found in returns] == [1, 2, 2, 6]


@pytest.mark.parametrize(
    ("rules", "rip", "rsp"),
    [
        (b"\x0d\x06", 5, 40),  # DW_CFA_def_cfa_register: the frame is at rbp + 8
        (b"\x0a\x0e\x30\x0b", 1, 8),  # remember, offset 48, restore
        (b"\x0e\x10\xd0\x10\x00", 2, 16),  # restore of the return address's rule changes nothing
        (b"\x12\x07\x7d", 3, 24),  # def_cfa_sf rsp, -3 * -8
        (b"\x13\x7c", 4, 32),  # def_cfa_offset_sf -4 * -8
        (b"\x0f\x02\x77\x20", 4, 32),  # def_cfa_expression: rsp + 32
        (b"\x0f\x09\x77\x08\x40\x22\x38\x33\x24\x22", None, None),  # too short for the length it tells
        (b"\x0f\x06\x77\x08\x31\x34\x24\x22", 3, 24),  # rsp + 8 + (1 << 4)
        (b"\x0e\x18\x11\x10\x02", 2, 24),  # offset_extended_sf: frame + 2 * -8
        (b"\x0e\x18\x05\x10\x03", 1, 24),  # offset_extended
        (b"\x0e\x18\x10\x10\x02\x77\x18", 4, 24),  # expression: at rsp + 24
        (b"\x0e\x18\x09\x10\x03", 3, 24),  # it is in rbx
        (b"\x0e\x18\x16\x10\x01\x37", 7, 24),  # val_expression: literal 7
        (b"\x0e\x18\x2e\x08", 3, 24),  # GNU_args_size
        (b"\x07\x10", None, None),  # undefined: nobody called it
        (b"\x0c\x03\x08", 0, 0),  # the frame is at rbx + 8, where no memory is
        (b"\x3f", None, None),  # no instruction
        (b"\x0b", None, None),  # nothing was remembered
        (b"\x0f\x03\x2f\xfd\xff", None, None),  # an expression that goes round for ever
        (b"\x0f\x01\x22", None, None),  # plus of nothing
    ],
)
def test_each_rule(tmp_path: Path, rules: bytes, rip: int | None, rsp: int | None) -> None:
    found = caller_by(tmp_path, rules, 1, 2, 3, 4, 5, 6)
    if not rip:
        assert found is None
    else:
        assert found is not None
        assert (found.registers["rip"], found.registers["rsp"] - STACK) == (rip, rsp)


def test_where_memory_ends_a_register_is_not_known_and_a_return_address_ends_the_walk(tmp_path: Path) -> None:
    found = caller_by(tmp_path, b"\x83\x20", 0x4444)
    assert found is not None
    assert "rbx" not in found.registers
    assert caller_by(tmp_path, b"\x0e\x30", 0x4444) is None


def test_a_signal_trampoline_gives_all_registers_of_what_was_interrupted(tmp_path: Path) -> None:
    # the frame address is at rsp + 8; rip, rdi at rsp + 16 and + 24; nothing of rax
    rules = b"\x0f\x03\x77\x08\x06\x10\x10\x02\x77\x10\x10\x05\x02\x77\x18"
    found = caller_by(tmp_path, rules, 0, STACK + 800, 0x6666, 0x77, augmentation=b"zRS")
    assert found is not None
    assert found.interrupted
    assert found.registers == {**REGISTERS, "rip": 0x6666, "rsp": STACK + 800, "rdi": 0x77}


def test_an_augmentation_that_is_not_known_is_skipped_by_its_length(tmp_path: Path) -> None:
    # R stands first; what follows an unknown letter is not read.
    assert caller_by(tmp_path, b"", 0x4444, augmentation=b"zRX") is not None


def test_an_address_that_no_description_covers(tmp_path: Path) -> None:
    path = tmp_path / "program"
    path.write_bytes(elf_with_tables(b""))
    image = ElfFile.open(path)
    assert image is not None
    with image:
        table = FrameTable(image)
        assert [table.covering(at) for at in (0, CODE - 1, CODE + SIZE, 1 << 63)] == [None] * 4


@settings(max_examples=400)
@given(st.lists(st.tuples(st.integers(64, 420), st.integers(0, 255)), max_size=4), st.integers(64, 500), st.binary())
def test_no_damage_breaks_it(
    tmp_path_factory: pytest.TempPathFactory, damage: list[tuple[int, int]], cut: int, rules: bytes
) -> None:
    data = bytearray(elf_with_tables(rules[:100]))
    for at, byte in damage:
        data[at % len(data)] = byte
    path = tmp_path_factory.mktemp("damaged") / "program"
    path.write_bytes(data[:cut])
    image = ElfFile.open(path)
    if image is None:
        return
    with image:
        for place in (CODE, CODE + SIZE - 1):
            description = FrameTable(image).covering(place)
            if description is not None:
                found = leave(way_out(description, place), REGISTERS, lambda address, size: bytes([size]) * size)
                assert found is None or 0 < found.registers["rip"] < 1 << 64


COLUMNS = {"rbx": 3, "rbp": 6, "rsp": 7, "r12": 12, "r13": 13, "r14": 14, "r15": 15, "ra": 16}


def interpreted(path: Path) -> Iterator[tuple[int, int, str, dict[str, str]]]:
    """First and last address, frame address and registers of each row that readelf prints."""
    command = ["readelf", "-W", "--debug-dump=frames-interp", str(path)]
    # It also fails where the file names separate debugging information that is not installed.
    text = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    for block in text.split("\n\n"):
        head = re.search(r"FDE .* pc=([0-9a-f]+)\.\.([0-9a-f]+)", block)
        lines = block.splitlines()
        if head is None or len(lines) < 3:
            continue
        names = lines[1].split()[2:]
        rows = [re.sub(r" \(r[a-z0-9]+\)", "", line).split() for line in lines[2:]]
        starts = [int(row[0], 16) for row in rows] + [int(head[2], 16)]
        for row, start, after in zip(rows, starts, starts[1:], strict=False):
            if after > start:
                yield start, after - 1, row[1], dict(zip(names, row[2:], strict=True))


def in_words_of_readelf(row: Row) -> tuple[str, dict[str, str]]:
    names = ["rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp"]
    frame = "exp" if row.expression else f"{names[row.register] if row.register < 8 else f'r{row.register}'}"
    frame += "" if row.expression else f"{row.offset:+d}"
    found = {}
    for column, number in COLUMNS.items():
        rule = row.rules.get(number)
        if rule is None or rule.how is How.UNDEFINED:
            found[column] = "u"
        elif rule.how is How.REGISTER:
            found[column] = f"r{rule.number}"
        else:
            found[column] = f"c{rule.number:+d}" if rule.how is How.SAVED_AT else "exp"
    return frame, found


def test_the_rules_of_this_machines_c_library_are_those_that_readelf_prints() -> None:
    if not GLIBC.exists() or shutil.which("readelf") is None:
        pytest.skip("needs glibc and readelf; `make setup` installs them")
    image = ElfFile.open(GLIBC)
    assert image is not None
    compared = 0
    with image:
        table = FrameTable(image)
        for number, (first, last, frame, columns) in enumerate(interpreted(GLIBC)):
            if number % 5 and frame != "exp":
                continue
            for place in {first, last}:
                description = table.covering(place)
                assert description is not None
                told, rules = in_words_of_readelf(row_at(description, place))
                assert told == frame, hex(place)
                assert {name: rules[name] for name in columns if name in rules} == {
                    name: text for name, text in columns.items() if name in rules
                }, hex(place)
                compared += 1
    assert compared > 1000
