"""How much memory processes hold, and whose it is; read again and again while they live, for it is gone with them.

Resident memory is read once a second (statm of proc(5), some microseconds). Whose it is says smaps, for which the
kernel walks the page tables: that is read only where much came to it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from gotrace.events.model import Fact

_EACH_NS: Final = 1_000_000_000
_MUCH: Final = 32 << 20
"""Bytes that have to come to a process before anything is told of it."""
_MOST: Final = 32
"""Processes that are read; a command with more of them is a build or a shell script."""
_MOST_READINGS: Final = 64
_LONGEST: Final = 8 << 20
"""Bytes of smaps: some ten thousand mappings."""
_LARGEST: Final = 4 << 30
"""Bytes of a process whose owners are still looked for: the kernel takes 12 ms a GiB, while its mmap(2) may wait."""
_KIB: Final = 1024
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")

_MAPPING: Final = re.compile(
    rb"^([0-9a-f]+)-[0-9a-f]+ (\S{4}) [0-9a-f]+ \S+ (\d+) *([^\n]*)\n(?:[A-Z]\w+: +\d+ kB\n)*?Rss: +(\d+) kB$",
    re.MULTILINE,
)
_LOWEST_HEAP: Final = 1 << 32
_HIGHEST_HEAP: Final = 1 << 46
"""Go's runtime asks for its heap below this (src/runtime/malloc.go, mallocinit; random since Go 1.26, 0xc000000000
before), above four GiB, and the kernel puts all else above it, but a program that is linked to a fixed address."""
_SHARED: Final = (b"/memfd:", b"/dev/shm/", b"/dev/zero", b"/SYSV")
_ARENA: Final = 64 << 20
"""What glibc aligns the heaps of its arenas to, all but the first (malloc/arena.c, HEAP_MAX_SIZE)."""


@dataclass(slots=True)
class _Held:
    """What one process held."""

    readings: list[tuple[int, int]] = field(default_factory=list)
    """When, in nanoseconds, and how many bytes were resident."""
    owners: list[tuple[int, dict[str, int]]] = field(default_factory=list)
    """When, and whose they were."""
    each_ns: int = _EACH_NS
    due_ns: int = 0
    parted: int | None = None
    """Bytes that were resident when it was last read whose they are."""

    def add(self, now_ns: int, resident: int) -> None:
        self.readings.append((now_ns, resident))
        if len(self.readings) > _MOST_READINGS:  # over hours: seldomer and seldomer
            self.readings = self.readings[::2]
            self.each_ns *= 2
        self.due_ns = now_ns + self.each_ns

    @property
    def worth_parting(self) -> bool:
        """Much came to it; the second reading is the first to part, for most processes do not live as long."""
        resident = self.readings[-1][1]
        if self.parted is None:
            return len(self.readings) > 1
        return resident - self.parted >= max(_MUCH, self.parted // 4)

    @property
    def grew(self) -> bool:
        return len(self.readings) > 1 and self.readings[-1][1] - self.readings[0][1] >= _MUCH


class Memories:
    """Those of all processes of a command."""

    def __init__(self) -> None:
        self._held: dict[int, _Held] = {}

    def look(self, now_ns: int, pids: Collection[int]) -> None:
        """Read those that it is time for. Of processes that are gone only those are kept that much memory came to."""
        if len(self._held) > _MOST:
            self._held = {pid: held for pid, held in self._held.items() if pid in pids or held.grew}
        for pid in islice(pids, _MOST):
            held = self._held.get(pid)
            if held is not None and now_ns < held.due_ns:
                continue
            resident = _resident(pid)
            if resident is None:
                continue
            if held is None:
                held = self._held[pid] = _Held()
            held.add(now_ns, resident)
            if held.worth_parting:
                self._part(pid, held, now_ns)

    def facts(self, now_ns: int) -> list[Fact]:
        """A `memory` fact for each process that much memory came to."""
        told = []
        for pid, held in self._held.items():
            if not held.grew:
                continue
            self._part(pid, held, now_ns)
            told.append(Fact(ts_ns=now_ns, pid=pid, name="memory", data=_data(pid, held)))
        return told

    def _part(self, pid: int, held: _Held, now_ns: int) -> None:
        held.parted = held.readings[-1][1]
        if held.parted > _LARGEST:
            return
        if owners := _owners(pid):
            held.owners.append((now_ns, owners))


def _data(pid: int, held: _Held) -> dict[str, Any]:
    began = held.readings[0][0]
    return {
        "pid": pid,
        "since_ns": began,
        "resident": [[(at - began) // 1_000_000, resident // _KIB] for at, resident in held.readings],
        "owners": [{"ms": (at - began) // 1_000_000, **owners} for at, owners in held.owners],
    }


def _resident(pid: int) -> int | None:
    """Bytes; None where the process is gone, and for one that has no memory of its own any more."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as stream:  # noqa: PTH123  once a second
            return int(stream.read().split()[1]) * _PAGE or None
    except (OSError, ValueError, IndexError):
        return None


def _owners(pid: int) -> dict[str, int]:
    """KiB by owner; empty where nobody may look, or cannot tell."""
    try:
        with open(f"/proc/{pid}/smaps", "rb") as stream:  # noqa: PTH123
            text = stream.read(_LONGEST)
    except OSError:
        return {}
    return owners_of(text) if len(text) < _LONGEST else {}


def owners_of(smaps: bytes) -> dict[str, int]:
    """Resident KiB of Go's heap (`go`), of other memory that no file stands for (`c`), of files, and shared.

    `arenas`: how many heaps glibc's malloc has beside the first. Empty where libraries lie where Go's heap may be too
    (`ulimit -s unlimited`).
    """
    held = dict.fromkeys(("go", "c", "files", "shared", "arenas"), 0)
    for start, rights, inode, name, resident in _MAPPING.findall(smaps):
        owner = _owner(int(start, 16), rights, int(inode), name)
        if owner == "files" and b".so" in name and int(start, 16) < _HIGHEST_HEAP:
            return {}
        held[owner] += int(resident)
        held["arenas"] += owner == "c" and not name and rights[:2] == b"rw" and int(start, 16) % _ARENA == 0
    return held if any(held.values()) else {}


def _owner(start: int, rights: bytes, inode: int, name: bytes) -> str:
    if rights[3:] == b"s" or name.startswith(_SHARED):
        return "shared"
    if inode:
        return "files"
    if name.startswith(b"[anon: Go"):  # Go 1.25, where the kernel has CONFIG_ANON_VMA_NAME
        return "go"
    return "go" if not name and _LOWEST_HEAP <= start < _HIGHEST_HEAP else "c"
