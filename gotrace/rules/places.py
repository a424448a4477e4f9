"""The folders that a go command keeps files in, as the capture found their file systems."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from dataclasses import dataclass

from gotrace.events.model import Fact
from gotrace.trace.model import Build, Trace

_ROOM = 256 << 20
"""A folder with so many bytes free is named as one that has room."""


@dataclass(frozen=True, slots=True)
class Place:
    """One folder, from a fact `place`."""

    use: str
    """The variable that moves it; empty for the folder of the build itself."""
    path: str
    size: int
    """Of its file system, in bytes, as `free` is."""
    free: int
    readonly: bool
    noexec: bool
    owner: str
    fact: Fact

    def holds(self, path: str) -> bool:
        """The path is this folder or lies below it."""
        return path == self.path or path.startswith(self.path.rstrip("/") + "/")


def of(trace: Trace, build: Build) -> list[Place]:
    """The folders of one go command; none where it succeeded, or where nobody asked."""
    pid = build.span.process.pid
    return [_place(fact) for fact in trace.facts_for("place", pid)]


def holding(places: Iterable[Place], path: str) -> Place | None:
    """The innermost of the folders that a path lies in."""
    return max((one for one in places if one.holds(path)), key=lambda one: len(one.path), default=None)


def used_as(places: Iterable[Place], use: str) -> Place | None:
    """The folder that this variable moves."""
    return next((one for one in places if one.use == use), None)


def with_room(places: Iterable[Place], instead_of: Place | None, *, execution: bool = False) -> Place | None:
    """The home folder, if it may be written, has room and, for `execution`, allows that; else None.

    A mount option may differ for two folders of one file system, the room that is left may not.
    """
    home = used_as(places, "HOME")
    if home is None or home.readonly or home.free < _ROOM or (execution and home.noexec):
        return None
    same = instead_of is not None and (home.size, home.free) == (instead_of.size, instead_of.free)
    return None if same and not execution else home


def new_cache(build: Build, places: Iterable[Place]) -> str | None:
    """A folder for a build cache of its own: in the folder of the build, or where that is read-only, in HOME."""
    known = list(places)
    for use in ("", "HOME"):
        place = used_as(known, use)
        if place is not None and not place.readonly:
            return posixpath.join(place.path, ".gocache" if use == "" else ".cache/gocache")
    folder = build.span.exec.cwd
    return posixpath.join(folder, ".gocache") if folder and used_as(known, "") is None else None


def amount(number: int) -> str:
    """A number of bytes for readers: 300 KiB, 1.5 GiB."""
    value, unit = float(number), "bytes"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{value:.1f}".rstrip("0").rstrip(".") + f" {unit}"


def _place(fact: Fact) -> Place:
    data = fact.data
    return Place(
        use=str(data.get("use", "")),
        path=fact.subject,
        size=int(data.get("size") or 0),
        free=int(data.get("free") or 0),
        readonly=bool(data.get("readonly")),
        noexec=bool(data.get("noexec")),
        owner=str(data.get("owner", "")),
        fact=fact,
    )
