"""What was inlined into a Go function stands for the call of it; a damaged tree changes nothing."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from gotrace.elf.inlining import Inlined, inlined, own_place
from tests.unit.elf.made import READ, Part, elf, elf_file

TREE = 0x2000
SIZE = 0x100


def record(tables: int, trees: int, *offsets: int) -> bytes:
    """A function's record (`_func`) with its variable parts."""
    return struct.pack("<7I2I", *[0] * 7, tables, 0) + struct.pack("<I3xB", 1, trees) + struct.pack(
        f"<{len(offsets)}I", *offsets
    )  # fmt: skip


def call(parent: int) -> bytes:
    """One node of a tree; `parent` is where the call of it stands."""
    return struct.pack("<B3xiii", 0, 0, parent, 1)


def place(within: int, tree: bytes, indices: dict[int, int]) -> int:
    with elf_file(elf([Part(".rodata", tree, TREE, READ)])) as file:
        return own_place(file, TREE, lambda at: indices.get(at, -1), within, SIZE)


def test_a_record_tells_where_the_tree_is() -> None:
    assert inlined(record(3, 4, 1, 2, 30, 5, 6, 7, 80), "<") == Inlined(30, 80)


def test_without_a_tree_nothing_was_inlined() -> None:
    nothing = 0xFFFFFFFF
    assert inlined(record(3, 4, 1, 2, 30, 5, 6, 7, nothing), "<") is None
    assert inlined(record(3, 4, 1, 2, 0, 5, 6, 7, 80), "<") is None
    assert inlined(record(2, 4, 1, 2, 5, 6, 7, 80), "<") is None
    assert inlined(record(3, 3, 1, 2, 30, 5, 6, 7), "<") is None
    assert inlined(record(3, 4, 1, 2, 30), "<") is None
    assert inlined(b"", "<") is None


def test_the_call_of_what_was_inlined_into_what_was_inlined() -> None:
    tree = call(0x20) + call(0x30)
    assert place(0x40, tree, {0x40: 1, 0x30: 0}) == 0x20
    assert place(0x30, tree, {0x40: 1, 0x30: 0}) == 0x20
    assert place(0x20, tree, {0x40: 1, 0x30: 0}) == 0x20


def test_a_tree_that_makes_no_sense_changes_nothing() -> None:
    assert place(0x40, call(0x40), {0x40: 0}) == 0x40  # it is inlined into itself
    assert place(0x40, call(SIZE), {0x40: 0}) == 0x40
    assert place(0x40, call(-1), {0x40: 0}) == 0x40
    assert place(0x40, call(0x20), {0x40: 1 << 20}) == 0x40


@given(st.binary(max_size=64), st.dictionaries(st.integers(0, SIZE - 1), st.integers(-2, 5)), st.integers(0, SIZE - 1))
def test_any_tree_leads_to_a_place_of_the_function(tree: bytes, indices: dict[int, int], within: int) -> None:
    assert 0 <= place(within, tree, indices) < SIZE
