"""All file systems of this machine as a copy to be written to: what is written lies in memory, and goes with it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from gotrace.scenario import mounts

KERNEL: Final = ("/proc", "/dev", "/sys")
"""Are what they are outside."""
_PLACE: Final = "/tmp"
"""What the layers are mounted over, in a mount namespace of its own, until the copy is complete: a folder that every
Linux has, and none that is kept as a whole."""


def change_root(keep: Iterable[str], bind: Mapping[str, str]) -> None:
    """Be in the copy from now on, in its root folder, for all of this mount namespace.

    Each file system of this machine gets a layer of its own (a layer covers no other file system), also a small one
    such as /run; one that cannot be written to, or that the kernel takes no layer for, is there as it is, read-only.

    Args:
        keep: folders that stay the real ones, by paths without links.
        bind: folder inside -> real folder that is there as well.

    Raises:
        OSError: the kernel refuses it (the layer of the root needs rights that a user namespace may lack).
    """
    kept = [*KERNEL, *(folder for folder in dict.fromkeys(keep) if Path(folder).is_dir())]
    real = {folder: _opened(folder) for folder in kept} | {inside: _opened(real) for inside, real in bind.items()}
    others = [(point, below) for point in _to_cover(kept) if (below := _reached(point)) is not None]
    outside, root = _opened("/"), f"{_PLACE}/root"
    mounts.small(_PLACE)
    Path(root).mkdir()
    try:
        _cover(outside, root, "0")
    except OSError as error:
        raise OSError(error.errno, f"the kernel puts no overlay over the root folder: {error.strerror}") from None
    for number, (point, below) in enumerate(others, 1):
        _cover_or_bind(below, point, root + point, str(number))
    for folder, descriptor in real.items():
        Path(root + folder).mkdir(parents=True, exist_ok=True)
        mounts.bind(f"/proc/self/fd/{descriptor}", root + folder)
    for descriptor in (outside, *real.values(), *(below for _, below in others)):
        os.close(descriptor)
    mounts.pivot(root)


def _to_cover(kept: Iterable[str]) -> list[str]:
    return [point for point in mounts.points("/") if not any(is_below(point, folder) for folder in kept)]


def is_below(path: str, folder: str) -> bool:
    """A path is the folder, or below it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _opened(path: str) -> int:
    return os.open(path, os.O_PATH | os.O_CLOEXEC)


def _reached(point: str) -> int | None:
    """A descriptor of what is mounted there; None where that cannot be reached, as another user's FUSE."""
    with suppress(OSError):
        Path(point).stat()
        return _opened(point)
    return None


def _cover_or_bind(below: int, point: str, target: str, name: str) -> None:
    with suppress(OSError):  # a mount point that another mount hides, or one that is gone
        if Path(target).is_dir() and not os.fstatvfs(below).f_flag & os.ST_RDONLY:
            with suppress(OSError):
                _cover(below, target, name)
                return
        mounts.bind(f"/proc/self/fd/{below}", target)
        mounts.restrict(target, mounts.READ_ONLY)


def _cover(below: int, target: str, name: str) -> None:
    """Mount the copy of one file system; its root folder's owner and mode are those of the layer."""
    upper, work, status = Path(_PLACE, "layers", name, "upper"), Path(_PLACE, "layers", name, "work"), os.fstat(below)
    for folder in (upper, work):
        folder.mkdir(parents=True)
    os.chown(upper, status.st_uid, status.st_gid)
    upper.chmod(status.st_mode & 0o7777)
    mounts.layer(below, str(upper), str(work), target, os.fstatvfs(below).f_flag)
