"""Where a Go function's own source is at an address: the call of what the compiler inlined there.

The line that Go's table has for an address is that of the inlined code, which may be in another file and package. Each
function that has such code has a tree of the calls (FUNCDATA_InlTree), and a table that leads from an address into it.

Sources: Go's runtime/symtabinl.go (inlinedCall), runtime/symtab.go (_func, funcdata) and internal/abi/symtab.go; as
they are from Go 1.20 to 1.26.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final, NamedTuple

from gotrace.elf.elf_file import ElfFile

_FIXED: Final = 44
"""Bytes of a function's record (`_func`) before its variable parts; the last one counts the second of them."""
_TREE_INDEX: Final = 2
"""PCDATA_InlTreeIndex"""
_TREE: Final = 3
"""FUNCDATA_InlTree"""
_NONE: Final = 0xFFFFFFFF
_CALL: Final = 16
_PARENT: Final = 8
_DEEPEST: Final = 64


class Inlined(NamedTuple):
    """What a function's record says of the code that was inlined into it."""

    indices: int
    """Place of the table of (value, code) differences that has the number of the call at each address."""
    tree: int
    """The tree's distance from the start of all such data (moduledata.gofunc)."""


def inlined(record: bytes, order: str) -> Inlined | None:
    """By the record as it stands, and what follows it; None where nothing was inlined."""
    if len(record) < _FIXED:
        return None
    tables, trees = struct.unpack_from(order + "I", record, 28)[0], record[_FIXED - 1]
    if tables <= _TREE_INDEX or trees <= _TREE or len(record) < _FIXED + 4 * (tables + _TREE + 1):
        return None
    (indices,) = struct.unpack_from(order + "I", record, _FIXED + 4 * _TREE_INDEX)
    (tree,) = struct.unpack_from(order + "I", record, _FIXED + 4 * (tables + _TREE))
    return None if tree == _NONE or not indices else Inlined(indices, tree)


def own_place(file: ElfFile, tree: int, index_at: Callable[[int], int | None], within: int, size: int) -> int:
    """The distance from the function's start at which its own source stands for the one given.

    `tree` is the address of the tree, `index_at` the number of the call at a distance, negative for none. The distance
    itself where the tree makes no sense.
    """
    place = within
    for _ in range(_DEEPEST):
        index = index_at(place)
        if index is None or index < 0:
            return place
        data = file.at(tree + _CALL * index + _PARENT, 4)
        if len(data) < 4:
            return within
        (parent,) = struct.unpack(file.order + "i", data)
        if not 0 <= parent < size:
            return within
        place = parent
    return within
