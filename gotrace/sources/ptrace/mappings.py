"""What code is mapped into a process: the executable lines of /proc/PID/maps (proc(5))."""

from __future__ import annotations

import os
from bisect import bisect_right
from typing import Final, NamedTuple

VDSO: Final = b"[vdso]"
_DELETED: Final = b" (deleted)"


class Mapping(NamedTuple):
    """`size` bytes of a file from `offset` on, mapped executable at `base`. The vDSO is one, without a file."""

    base: int
    size: int
    offset: int
    device: int
    """As st_dev of stat(2)."""
    inode: int
    path: bytes
    """As the process itself would name it, also below a chroot(2)."""

    @property
    def end(self) -> int:
        """The first address behind it."""
        return self.base + self.size


class Mappings:
    """All of one address space, as they were when it was looked at last."""

    def __init__(self, known: tuple[Mapping, ...] = ()) -> None:
        self.all = known
        self._bases = [one.base for one in known]

    def at(self, address: int) -> Mapping | None:
        """The one that an address is in."""
        place = bisect_right(self._bases, address) - 1
        return self.all[place] if place >= 0 and address < self.all[place].end else None

    def contents(self, address: int) -> tuple[int, int, bytes, int] | None:
        """The file that an address is filled from, and the place in it."""
        found = self.at(address)
        return found and (found.device, found.inode, found.path, address - found.base + found.offset)

    def new_in(self, now: Mappings) -> list[Mapping]:
        """What is there now and was not before. A part of what was there, split off by mprotect(2), is nothing new."""
        return [one for one in now.all if not self._covers(one)]

    def _covers(self, one: Mapping) -> bool:
        known = self.at(one.base)
        return (
            known is not None
            and one.end <= known.end
            and self.contents(one.base) == (one.device, one.inode, one.path, one.offset)
        )


def mappings_of(pid: int) -> Mappings | None:
    """Of a process as it is now; None where it is gone, or not ours to look at."""
    try:
        with open(f"/proc/{pid}/maps", "rb") as stream:  # noqa: PTH123  called for each library
            text = stream.read()
        root = os.readlink(b"/proc/%d/root" % pid).removesuffix(b"/")  # noqa: PTH115  bytes, which Path has not
    except OSError:
        return None
    if not text:  # it has been killed
        return None
    return Mappings(tuple(one for line in text.split(b"\n") if (one := _mapping(line, root)) is not None))


def _mapping(line: bytes, root: bytes) -> Mapping | None:
    """Of "7f20-7f21 r-xp 00001000 fe:01 1234   /lib/libc.so.6" the mapping; None for data, and for code of no file."""
    fields = line.split(None, 5)
    if len(fields) < 6 or b"x" not in fields[1]:
        return None
    path = fields[5].removesuffix(_DELETED).replace(rb"\012", b"\n")
    if not path.startswith(b"/") and path != VDSO:
        return None
    base, _, end = fields[0].partition(b"-")
    major, _, minor = fields[3].partition(b":")
    return Mapping(
        int(base, 16),
        int(end, 16) - int(base, 16),
        int(fields[2], 16),
        os.makedev(int(major, 16), int(minor, 16)),
        int(fields[4]),
        path.removeprefix(root) if path.startswith(root + b"/") else path,
    )
