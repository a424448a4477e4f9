"""Build ids in files built here."""

from __future__ import annotations

import struct

import pytest

from gotrace.elf.identity import Identity, identity_of
from tests.unit.elf.made import MACHINES, NOTE, Machine, Part, elf, opened


def note(name: bytes, kind: int, content: bytes, order: str = "<", align: int = 4) -> bytes:
    head = struct.pack(order + "III", len(name), len(content), kind)
    padded = name + bytes(-len(name) % 4) + content + bytes(-len(content) % align)
    return head + padded


@pytest.mark.parametrize("machine", MACHINES, ids=["x86_64", "i386", "s390x", "mips"])
@pytest.mark.parametrize("sections", [True, False])
def test_both_ids_are_found_among_other_notes(machine: Machine, sections: bool) -> None:
    notes = (
        note(b"GNU\0", 1, bytes(16), machine.order)
        + note(b"GNU\0", 3, bytes.fromhex("0123456789abcdef"), machine.order)
        + note(b"Go\0\0", 4, b"action/content\0", machine.order)
    )
    data = elf([Part(".notes", notes, 0x1000, kind=NOTE)], machine, sections=sections)
    with opened(data) as fd:
        assert identity_of(fd) == Identity("0123456789abcdef", "action/content")


def test_an_object_has_notes_without_segments() -> None:
    with opened(elf([Part(".note.gnu.build-id", note(b"GNU\0", 3, b"\xab\xcd"), type=7)], type=1)) as fd:
        assert identity_of(fd) == Identity("abcd")


@pytest.mark.parametrize("notes", [b"", note(b"GNU\0", 3, bytes(20))[:-4], note(b"GNU\0", 5, b"x"), b"\xff" * 64])
def test_without_them_it_is_empty(notes: bytes) -> None:
    with opened(elf([Part(".notes", notes, 0x1000, kind=NOTE)])) as fd:
        assert identity_of(fd) == Identity()


def test_what_is_no_elf_file_is_none() -> None:
    with opened(b"!<arch>\n") as fd:
        assert identity_of(fd) is None
