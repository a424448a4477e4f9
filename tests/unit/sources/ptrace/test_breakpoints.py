"""Breakpoints in an address space; the memory is made up, and does what /proc/PID/mem does."""

from __future__ import annotations

from typing import cast

import pytest

from gotrace.sources.ptrace.breakpoints import INT3, SLOT_BYTES, Space, empty_slot, slot_of
from gotrace.sources.ptrace.mappings import VDSO, Mapping, Mappings
from gotrace.sources.ptrace.memory import Memory
from gotrace.sources.ptrace.processes import Process

CODE = b"\x53\x48\x83\xec\x30\x90\x90\xc3" * 8
LIBRARY = Mapping(0x1000, len(CODE), 0, 1, 7, b"/lib/libc.so.6")
IMAGE = Mapping(0x8000, 64, 0, 0, 0, VDSO)
MAPPINGS = Mappings((LIBRARY, IMAGE))
SLOT = IMAGE.end - 24


class Made:
    """Memory in two pieces: a library, and a vDSO with an empty end. It may be shared, copied or gone."""

    def __init__(self, pieces: dict[int, bytearray] | None = None) -> None:
        self.pieces = pieces or {LIBRARY.base: bytearray(CODE), IMAGE.base: bytearray(b"\x7fELF" + bytes(60))}

    def copy(self) -> Made:
        return Made({base: bytearray(data) for base, data in self.pieces.items()})

    def read(self, address: int, size: int) -> bytes:
        for base, data in self.pieces.items():
            if base <= address < base + len(data):
                return bytes(data[address - base : address - base + size])
        return b""

    def write(self, address: int, new: bytes) -> bool:
        for base, data in self.pieces.items():
            if base <= address < base + len(data):
                data[address - base : address - base + len(new)] = new
                return True
        return False


def real(made: Made) -> Memory:
    return cast(Memory, made)


class Owner:
    """A process with this memory."""

    def __init__(self, memory: Made) -> None:
        self.memory = memory


def owned(space: Space, made: Made) -> Space:
    """Belonging to a process with this memory."""
    space.members.add(cast(Process, Owner(made)))
    return space


@pytest.fixture
def made() -> Made:
    return Made()


@pytest.fixture
def space(made: Made) -> Space:
    return owned(Space(MAPPINGS, slot_of(MAPPINGS, real(made))), made)


def test_the_slot_is_where_the_vdso_is_empty(made: Made) -> None:
    assert slot_of(MAPPINGS, real(made)) == SLOT
    assert slot_of(Mappings((LIBRARY,)), real(made)) == 0
    made.write(IMAGE.end - 1, b"x")
    assert slot_of(MAPPINGS, real(made)) == 0


def test_planted_seen_through_and_removed(space: Space, made: Made) -> None:
    assert space.plant(real(made), 0x1001, 3, pushed=8)
    assert made.read(0x1000, 3) == b"\x53" + INT3 + b"\x83"
    site = space.sites[0x1001]
    assert (site.purpose, site.pushed, site.original, site.users) == (3, 8, 0x48, 1)
    assert site.way is not None
    assert site.way.code == b"\x48\x83\xec\x30"
    assert space.read(real(made), 0x1000, 8) == CODE[:8]
    assert space.read(real(made), 0x1001, 2) == CODE[1:3]
    space.remove(real(made), site)
    assert made.read(0x1000, len(CODE)) == CODE
    assert space.sites == {}


def test_the_instruction_below_shows_also_where_the_next_one_is_a_breakpoint(space: Space, made: Made) -> None:
    space.plant(real(made), 0x1002, 0)
    space.plant(real(made), 0x1001, 0)
    way = space.sites[0x1001].way
    assert way is not None
    assert way.code == b"\x48\x83\xec\x30"


def test_not_on_a_breakpoint_of_somebody_else_nor_where_nothing_is_mapped(space: Space, made: Made) -> None:
    made.write(0x1008, INT3)
    assert not space.plant(real(made), 0x1008, 0)
    assert not space.plant(real(made), 0x5000, 0)
    assert not Space(MAPPINGS, 0).plant(real(made), 0x1000, 0), "no slot"
    assert space.sites == {}
    assert not space.was_here(real(made), 0x1008)


def test_it_is_noted_before_it_is_planted(made: Made) -> None:
    notes: list[tuple[int, int, bytes]] = []
    space = Space(MAPPINGS, SLOT, lambda address, byte: notes.append((address, byte, made.read(address, 1))))
    space.plant(real(made), 0x1000, 0)
    assert notes == [(0x1000, 0x53, b"\x53")]


def test_a_thread_that_met_one_before_it_was_removed(space: Space, made: Made) -> None:
    space.plant(real(made), 0x1000, 0)
    space.remove(real(made), space.sites[0x1000])
    assert space.was_here(real(made), 0x1000)
    assert not space.was_here(real(made), 0x1001)
    assert space.plant(real(made), 0x1000, 0), "and again"


def test_a_fork_copies_them(space: Space, made: Made) -> None:
    for address in (0x1000, 0x1001, 0x1008):
        space.plant(real(made), address, 0)
    child = made.copy()
    space.remove(real(made), space.sites[0x1008])  # between the fork and our knowing of it
    assert not space.is_of(real(child))
    copy = space.forked(real(child), [space.sites[0x1000]])
    assert set(copy.sites) == {0x1000}
    assert child.read(0x1000, 2) == INT3 + CODE[1:2]
    assert child.read(0x1008, 1) == INT3, "nobody knew of it"
    assert copy.was_here(real(child), 0x1008)
    assert child.read(0x1008, 1) == CODE[8:9]
    assert made.read(0x1000, 2) == INT3 * 2, "the parent has its own"


def test_a_vfork_shares_them(space: Space, made: Made) -> None:
    assert space.is_of(real(Made(made.pieces)))
    assert made.read(SLOT + SLOT_BYTES, 8) == bytes(8), "nothing is left of the trial"


def test_what_stood_in_a_library_that_is_gone(space: Space, made: Made) -> None:
    space.plant(real(made), 0x1000, 0)
    space.follow(Mappings((IMAGE,)))
    assert space.sites == {}
    assert not space.was_here(real(made), 0x1000)


def test_another_library_in_the_place_of_one_that_is_gone(space: Space, made: Made) -> None:
    space.plant(real(made), 0x1000, 0)
    space.follow(Mappings((LIBRARY._replace(size=8), IMAGE)))
    assert set(space.sites) == {0x1000}, "mprotect(2) has split it"
    space.follow(Mappings((LIBRARY._replace(inode=8), IMAGE)))
    assert space.sites == {}


def test_removed_where_the_memory_is_another_one_already(space: Space, made: Made) -> None:
    space.plant(real(made), 0x1000, 0)
    another = Made({LIBRARY.base: bytearray(b"another program")})
    space.remove(real(another), space.sites[0x1000])
    assert another.read(0x1000, 15) == b"another program"


def test_which_process_may_be_a_copy(space: Space) -> None:
    plugin = Mapping(0x4000, 64, 0, 1, 9, b"/lib/plugin.so")
    assert space.fits(MAPPINGS)
    assert space.fits(Mappings((LIBRARY, plugin, IMAGE))), "something came since"
    assert not space.fits(Mappings((LIBRARY._replace(base=0x2000), IMAGE._replace(base=0x9000))))
    assert not space.fits(Mappings((LIBRARY._replace(inode=8), IMAGE)))
    assert not space.fits(Mappings(()))


def test_all_that_ever_stood_there_is_taken_out_at_the_end(space: Space, made: Made) -> None:
    space.plant(real(made), 0x1000, 0)
    space.plant(real(made), 0x1008, 0)
    before = made.copy()
    space.remove(real(made), space.sites[0x1008])
    made.write(SLOT, b"used")
    before.write(SLOT, b"used")

    for memory in (made, before):  # the second is a child that was born meanwhile
        space.cleanse(real(memory))
        assert memory.read(0x1000, len(CODE)) == CODE
        assert memory.read(SLOT, 8) == bytes(8)


def test_a_copy_tells_its_own_guardian_what_stands_in_it(space: Space, made: Made) -> None:
    space.plant(real(made), 0x1000, 0)
    child = made.copy()
    copy = owned(space.forked(real(child), space.sites.values()), child)
    noted: list[tuple[int, int]] = []
    copy.note_by(lambda address, original: noted.append((address, original)))
    copy.plant(real(child), 0x1008, 0)

    assert noted == [(0x1000, 0x53), (0x1008, 0x53)]


def test_nothing_is_planted_where_the_guardian_is_gone(made: Made) -> None:
    def gone(_address: int, _original: int) -> None:
        raise BrokenPipeError

    space = owned(Space(MAPPINGS, SLOT, gone), made)
    assert not space.plant(real(made), 0x1000, 0)
    assert made.read(0x1000, len(CODE)) == CODE


def test_the_slot_is_emptied_where_its_user_was_killed(made: Made) -> None:
    made.write(SLOT, b"left behind")
    assert slot_of(MAPPINGS, real(made)) == 0
    empty_slot(MAPPINGS, real(made))
    assert slot_of(MAPPINGS, real(made)) == SLOT
