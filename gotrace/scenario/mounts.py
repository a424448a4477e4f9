"""Mounts for the mount namespace of a scenario: small file systems, restrictions, and folders with changed content."""

from __future__ import annotations

import ctypes
import os
import re
import stat
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

_READ_ONLY: Final = 0x1
_KEPT_FLAGS: Final = 0x2 | 0x4 | 0x8
"""MS_NOSUID, MS_NODEV and MS_NOEXEC, which statvfs(3) has at the same bits."""
_BIND: Final = 0x1000
_RECURSIVE: Final = 0x4000
_PRIVATE: Final = 0x40000
_SYS_MOUNT_SETATTR: Final = 442
"""The same number on all architectures (Linux 5.12)."""
_DETACH: Final = 2
"""MNT_DETACH of umount2(2)."""
_AT_FDCWD: Final = -100
_AT_RECURSIVE: Final = 0x8000
READ_ONLY: Final = 0x1
NO_EXEC: Final = 0x8
"""MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOEXEC of <linux/mount.h>."""
_OCTAL: Final = re.compile(rb"\\([0-7]{3})")

_libc = ctypes.CDLL(None, use_errno=True)


def keep_to_ourselves() -> None:
    """No mount from now on is seen outside this mount namespace.

    Raises:
        OSError: the kernel refuses it, as all functions here may.
    """
    _mount("none", "/", "", _RECURSIVE | _PRIVATE)


def bind(source: str, target: str) -> None:
    """Have a file or folder, with all that is mounted below it, at another place as well."""
    _mount(source, target, "", _BIND | _RECURSIVE)


def restrict(path: str, attribute: int) -> None:
    """Make a file or folder, with all that is mounted below it, READ_ONLY or NO_EXEC."""
    bind(path, path)
    _set_attribute(path, attribute, _AT_RECURSIVE)


def small(folder: str, size: int | None = None) -> None:
    """Mount an empty file system of so many bytes over a folder, as far as possible with the same owner and mode."""
    status = Path(folder).stat()
    options = f"mode={stat.S_IMODE(status.st_mode):o}" + ("" if size is None else f",size={size}")
    if status.st_uid == os.geteuid() or _rules_over_all_users():
        with suppress(OSError):  # a gid that this user namespace does not know
            _mount("tmpfs", folder, "tmpfs", 0, f"{options},uid={status.st_uid},gid={status.st_gid}")
            return
    _mount("tmpfs", folder, "tmpfs", 0, options)


def change(
    folder: str, *, hide: Iterable[str] = (), texts: Mapping[str, str] | None = None, folders: Iterable[str] = ()
) -> None:
    """Have a folder without some names, with other texts in some files, and with some more folders below it.

    What else it holds stays, also what is mounted below it, but nothing in it can be written any more. It is an
    overlay of a small layer over the folder itself: a name that is hidden is a character device 0:0 in the layer,
    which everybody may make (the kernel's Documentation/filesystems/overlayfs.rst, "whiteouts").

    Where the kernel refuses that overlay, the layer gets a bind mount for each entry that stays. In a user namespace it
    does so where something is mounted below the folder, as on /etc in most containers: an overlay would uncover what
    that covers (clone_private_mount() in fs/namespace.c).
    """
    changed, texts = set(hide), texts or {}
    beneath = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    flags = os.statvfs(folder).f_flag & _KEPT_FLAGS
    below = [(path, os.open(path, os.O_PATH)) for path in _mounted_below(folder)]
    small(folder)
    for name, text in texts.items():
        Path(folder, name).write_text(text)
    for name in folders:
        Path(folder, name).mkdir(parents=True, exist_ok=True)
    try:
        _overlay(folder, beneath, changed, flags)
    except OSError:
        _fill(folder, f"/proc/self/fd/{beneath}", changed)
        _set_attribute(folder, READ_ONLY)
    else:
        for path, descriptor in below:
            if Path(path).relative_to(folder).parts[0] not in changed | texts.keys():
                bind(f"/proc/self/fd/{descriptor}", path)
    for descriptor in (beneath, *(descriptor for _, descriptor in below)):
        os.close(descriptor)


def layer(lower: int, upper: str, work: str, target: str, flags: int = 0) -> None:
    """Mount a folder (its descriptor) at `target` so that what is written there goes to `upper`.

    `upper` and `work` are empty folders of one file system, of which the kernel needs the second for itself.
    """
    kept = flags & _KEPT_FLAGS
    _mount("overlay", target, "overlay", kept, f"lowerdir=/proc/self/fd/{lower},upperdir={upper},workdir={work}")


def pivot(folder: str) -> None:
    """Have a folder, on which something is mounted, as the root of this mount namespace, and what was there as nothing.

    Both by pivot_root(2) on the spot, as its page says: the old root lies over the new one then, until it is taken off.
    """
    os.chdir(folder)
    _check(_libc.pivot_root(b".", b"."), folder)
    _check(_libc.umount2(b".", _DETACH), folder)
    os.chdir("/")


def _overlay(folder: str, beneath: int, hidden: Iterable[str], flags: int) -> None:
    """Mount what is in `folder` now, as a layer over what was there (its descriptor)."""
    whiteouts = [Path(folder, name) for name in hidden]
    layer = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        for path in whiteouts:
            os.mknod(path, stat.S_IFCHR, os.makedev(0, 0))
        lower = f"lowerdir=/proc/self/fd/{layer}:/proc/self/fd/{beneath}"
        _mount("overlay", folder, "overlay", _READ_ONLY | flags, lower)
    except OSError:
        for path in whiteouts:
            path.unlink(missing_ok=True)
        raise
    finally:
        os.close(layer)


def _fill(folder: str, source: str, left_out: Iterable[str]) -> None:
    """Have all entries of `source` in `folder` but some, and those that are there already."""
    for entry in os.scandir(source):
        target = Path(folder, entry.name)
        if entry.name in left_out or (target.exists() and not target.is_dir()):
            continue
        if entry.is_symlink():
            target.symlink_to(Path(entry.path).readlink())
        elif target.is_dir():
            _fill(str(target), entry.path, ())
        else:
            target.mkdir() if entry.is_dir() else target.touch()
            bind(entry.path, str(target))


def points(folder: str) -> list[str]:
    """All mount points below a folder (proc_pid_mountinfo(5)), each once, an outer one in front of those in it."""
    found = set()
    for line in Path("/proc/self/mountinfo").read_bytes().splitlines():
        point = os.fsdecode(_OCTAL.sub(lambda one: bytes([int(one[1], 8)]), line.split()[4]))
        if point.startswith(folder.rstrip("/") + "/") and point != folder:
            found.add(point)
    return sorted(found)


def _mounted_below(folder: str) -> Iterator[str]:
    """The outermost mount points below a folder that can be reached."""
    found = points(folder)
    for point in found:
        if not any(point.startswith(other + "/") for other in found):
            with suppress(OSError):
                Path(point).stat()
                yield point


def _rules_over_all_users() -> bool:
    """Whether this process is root outside of any user namespace of our making, so that every uid means something."""
    return os.geteuid() == 0 and Path("/proc/self/uid_map").read_text().split() == ["0", "0", "4294967295"]


def _mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    words = [os.fsencode(word) for word in (source, target, kind, options)]
    _check(_libc.mount(words[0], words[1], words[2] or None, ctypes.c_ulong(flags), words[3] or None), target)


def _set_attribute(path: str, attribute: int, flags: int = 0) -> None:
    """mount_setattr(2), which leaves a mount's other attributes alone, as a user namespace must."""
    arguments = struct.pack("QQQQ", attribute, 0, 0, 0)
    size = ctypes.c_size_t(len(arguments))
    _check(_libc.syscall(_SYS_MOUNT_SETATTR, _AT_FDCWD, os.fsencode(path), flags, arguments, size), path)


def _check(result: int, path: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
