"""Breakpoints in the code of one address space: int3 in the place of an instruction's first byte.

They are the process's own: the kernel copies a page of code that is written to, and no other process sees it. A forked
process has copies of them, one made by vfork(2) shares them, a new program has none.

One thing a program could notice, as below any debugger: a thread that blocks or ignores SIGTRAP does so no more after
it met an int3 (kernel/signal.c, force_sig_info_to_task).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Final

from gotrace.elf.displaced import LONGEST, Displaced, displaced
from gotrace.sources.ptrace.mappings import VDSO, Mappings
from gotrace.sources.ptrace.memory import Memory
from gotrace.sources.ptrace.processes import Process

INT3: Final = b"\xcc"
SLOT_BYTES: Final = 16
_SPARE_BYTES: Final = 8
_SLOT_AND_SPARE: Final = SLOT_BYTES + _SPARE_BYTES

Note = Callable[[int, int], None]
"""Told the address and the byte that was there, right before a breakpoint is planted."""


class Site:
    """A planted breakpoint."""

    __slots__ = ("address", "original", "purpose", "pushed", "users", "way")

    def __init__(self, address: int, purpose: int, code: bytes, pushed: int) -> None:
        self.address, self.purpose, self.original = address, purpose, code[0]
        self.pushed = pushed
        """By how much the function has lowered its stack pointer there."""
        self.users = 1
        """Calls that will come back here."""
        self.way: Displaced | None = displaced(code, address)
        """How to step over it; None where it has to be removed for that."""


class Space:
    """One address space: its code and the breakpoints in it."""

    def __init__(self, mappings: Mappings, slot: int = 0, note: Note | None = None) -> None:
        """`slot`: where instructions are executed that a breakpoint stands on; 0 where there is no such place."""
        self.mappings, self.slot = mappings, slot
        self.sites: dict[int, Site] = {}
        self.members: set[Process] = set()
        """The processes that have it: more than one only after a vfork(2), or a clone(2) like it."""
        self.unasked = 0
        """Failures of its loader that nobody has asked dlerror about yet."""
        self._were: dict[int, int] = {}
        """The bytes below all breakpoints, also of those that are removed: a thread may have met them before that."""
        self._note = note

    def asked(self) -> bool:
        """Somebody called dlerror: whether a failure waited for that, of which there is one less now.

        They are counted, not marked: each may be asked about by a thread that is told of none.
        """
        waited = self.unasked > 0
        self.unasked -= waited
        return waited

    def plant(self, memory: Memory, address: int, purpose: int, pushed: int = 0) -> bool:
        """Have a breakpoint there; False where it cannot be, or where somebody else's is."""
        if self.slot and memory.read(address, 1) == INT3:
            self.was_here(memory, address)
        code = memory.read(address, LONGEST)
        if not code or code[:1] == INT3 or not self.slot:
            return False
        site = Site(address, purpose, self._masked(code, address), pushed)
        try:
            if self._note is not None:
                self._note(address, site.original)
        except OSError:  # whoever would take it out after us is gone
            return False
        if not memory.write(address, INT3):
            return False
        self.sites[address] = site
        self._were[address] = site.original
        return True

    def remove(self, memory: Memory, site: Site) -> None:
        """Put the instruction back, if this is the memory yet that the breakpoint was planted in."""
        self.sites.pop(site.address, None)
        if memory.read(site.address, 1) == INT3:
            memory.write(site.address, bytes([site.original]))

    def was_here(self, memory: Memory, address: int) -> bool:
        """Whether a thread met a breakpoint that is not planted any more. It is gone for good afterwards.

        One that was removed after a fork, and before we knew of that, is in the child yet.
        """
        if address not in self._were:
            return False
        if memory.read(address, 1) == INT3:
            memory.write(address, bytes([self._were[address]]))
        return True

    def cleanse(self, memory: Memory) -> None:
        """Take out of a process all that ever stood there, and leave the slot as it was."""
        for address, original in self._were.items():
            if memory.read(address, 1) == INT3:
                memory.write(address, bytes([original]))
        if self.slot:
            memory.write(self.slot, bytes(SLOT_BYTES))

    def note_by(self, note: Note) -> None:
        """Have another one told of breakpoints, also of those that stand already."""
        self._note = note
        for address, original in self._were.items():
            note(address, original)

    def read(self, memory: Memory, address: int, size: int) -> bytes:
        """Its memory as it would be without us."""
        return self._masked(memory.read(address, size), address)

    def _masked(self, data: bytes, address: int) -> bytes:
        hidden = [site for site in self.sites.values() if address <= site.address < address + len(data)]
        if not hidden:
            return data
        shown = bytearray(data)
        for site in hidden:
            shown[site.address - address] = site.original
        return bytes(shown)

    def forked(self, memory: Memory, kept: Iterable[Site]) -> Space:
        """The copy of it that a new process has, with no more breakpoints than `kept`."""
        child = Space(self.mappings, self.slot, self._note)
        child._were = dict(self._were)
        kept_at = {site.address for site in kept}
        for site in self.sites.values():
            if site.address in kept_at:
                child.plant_again(memory, site)
            else:
                memory.write(site.address, bytes([site.original]))
        return child

    def plant_again(self, memory: Memory, site: Site) -> None:
        """Have a breakpoint of another space here as well, where its copy may or may not be."""
        memory.write(site.address, INT3)
        copy = Site(site.address, site.purpose, bytes([site.original]), site.pushed)
        copy.way = site.way
        self.sites[site.address] = copy

    def follow(self, now: Mappings) -> None:
        """The code changed: what stood in a library that is gone is no more."""
        before, self.mappings = self.mappings, now
        for addresses in (self.sites, self._were):
            for address in [one for one in addresses if now.contents(one) != before.contents(one)]:
                del addresses[address]

    def fits(self, now: Mappings) -> bool:
        """Whether that can be the code of a copy of it: the vDSO at the same address, which is random, and most files.

        Not all of them: since it was looked at, one may have come or gone.
        """
        known = self.mappings
        same = sum(now.at(one.base) == one for one in known.all)
        return bool(self.slot) and now.at(self.slot) == known.at(self.slot) and 2 * same > len(known.all)

    def is_of(self, memory: Memory) -> bool:
        """Whether this is the very memory of the space: what is written here can be read there."""
        spare = self.slot + SLOT_BYTES
        member = next(iter(self.members), None)
        if not self.slot or member is None:
            return False
        token = os.urandom(_SPARE_BYTES)
        shared = memory.write(spare, token) and member.memory.read(spare, _SPARE_BYTES) == token
        memory.write(spare, bytes(_SPARE_BYTES))
        return shared


def slot_of(mappings: Mappings, memory: Memory) -> int:
    """A place for `Space.slot`: behind the image of the vDSO, where the last page of it is empty. 0 where it is not."""
    place = _place_of_slot(mappings)
    return place if place and memory.read(place, _SLOT_AND_SPARE) == bytes(_SLOT_AND_SPARE) else 0


def empty_slot(mappings: Mappings, memory: Memory) -> None:
    """Have it as it was before anybody used it."""
    place = _place_of_slot(mappings)
    if place and memory.read(place, _SLOT_AND_SPARE) != bytes(_SLOT_AND_SPARE):
        memory.write(place, bytes(_SLOT_AND_SPARE))


def _place_of_slot(mappings: Mappings) -> int:
    vdso = next((one for one in mappings.all if one.path == VDSO), None)
    return vdso.end - _SLOT_AND_SPARE if vdso is not None else 0
