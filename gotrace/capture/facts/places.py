"""The folders that a failed go command wrote to, and what their file systems allow: room, execution, writing."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from gotrace.capture.facts.builds import GoBuild
from gotrace.capture.facts.found import Found, recorded

_USUAL_TEMPORARY = "/tmp"
"""What os.TempDir of Go says where TMPDIR is not set."""


def place_facts(build: GoBuild, settings: Mapping[str, str]) -> Iterator[Found]:
    """A `place` fact for each folder that the go command keeps or makes files in. `settings` are those of `go env`."""
    for use, folder in _folders(build, settings):
        there = _nearest(Path(build.folder, folder))
        with suppress(OSError):
            yield Found("place", recorded(folder), {"use": use, **_described(there), "pid": build.pid}, build.pid)


def _folders(build: GoBuild, settings: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What each folder is for, by the variable that moves it; the folder of the build itself last."""
    temporary = build.env.get("TMPDIR") or _USUAL_TEMPORARY
    if settings.get("GOCACHE"):
        yield "GOCACHE", settings["GOCACHE"]
    yield "GOTMPDIR", settings.get("GOTMPDIR") or temporary
    if settings.get("GOTMPDIR"):
        yield "TMPDIR", temporary  # the C compiler, and the linker's own folder
    if build.env.get("HOME"):
        yield "HOME", build.env["HOME"]
    yield "", build.folder


def _nearest(path: Path) -> Path:
    """The folder itself, or the nearest one above that exists: that one would have to hold it."""
    return next(folder for folder in (path, *path.parents) if folder.exists())


def _described(folder: Path) -> dict[str, object]:
    """statvfs(3) and stat(2) of a folder; sizes in bytes, as an ordinary user may use them."""
    system, status = os.statvfs(folder), folder.stat()
    return {
        "there": recorded(str(folder)),
        "size": system.f_blocks * system.f_frsize,
        "free": system.f_bavail * system.f_frsize,
        "files_free": system.f_favail if system.f_files else None,
        "readonly": bool(system.f_flag & os.ST_RDONLY),
        "noexec": bool(system.f_flag & os.ST_NOEXEC),
        "owner": _name_of(status.st_uid),
    }


def _name_of(uid: int) -> str:
    try:
        return recorded(pwd.getpwuid(uid).pw_name)
    except KeyError:
        return str(uid)
