"""What the modes of files and folders say: whether they let everybody in, and who else may have a say.

Where it is not known with whose rights a file was asked for, only what is allowed to the owner, the group and all
others alike is allowed for certain (path_resolution(7), proc_sys_fs(5)).
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from gotrace.host.permissions import Question, Rights

_MOST_LINKS: Final = 40
_ALL: Final = 0o111
"""The same right for the owner, the group and all others."""
_ACL: Final = "system.posix_acl_access"
_LOCAL: Final = frozenset(
    {0xEF53, 0x58465342, 0x9123683E, 0x01021994, 0x794C7630, 0xF2F52010, 0x73717368, 0xE0F5E1E2, 0x9660, 0x858458F6}
    | {0x2FC12FC1, 0xCA451A4E, 0x3153464A}
)
"""ext, xfs, btrfs, tmpfs, overlay, f2fs, squashfs, erofs, iso9660, ramfs; zfs, bcachefs, jfs: statfs(2)."""
_STATFS_BYTES: Final = 256

_libc = ctypes.CDLL(None, use_errno=True)


def is_plain(question: Question) -> bool:
    """A file or a folder of a file system that refuses nothing by itself; devices and kernel files have drivers."""
    mode = os.stat(question.path).st_mode  # noqa: PTH116
    return (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or not question.mode) and is_local(question.path)


def changed_since(path: str, real_ns: int) -> bool:
    """Whether mode or owner of a file, or of a folder above it, may have been changed since then (CLOCK_REALTIME).

    Raises:
        OSError: one is gone.
    """
    while True:
        found = os.stat(path)  # noqa: PTH116
        # What is written into a file, or a new name in a folder, changes both times.
        if found.st_ctime_ns > real_ns and found.st_ctime_ns != found.st_mtime_ns:
            return True
        above = os.path.dirname(path)  # noqa: PTH120
        if above == path:
            return False
        path = above


def is_protected(path: str, rights: Rights | None) -> bool:
    """Files in folders like /tmp may not be opened with O_CREAT by others than their owner (fs.protected_regular)."""
    folder, file = os.stat(os.path.dirname(path)), os.stat(path)  # noqa: PTH116, PTH120
    if not folder.st_mode & stat.S_ISVTX or not folder.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return False
    return file.st_uid != folder.st_uid and (rights is None or file.st_uid != rights.uid)


def let_everybody(question: Question) -> bool:
    """The owner, the group and all others have the right to it, and to search all folders on the way to it.

    Raises:
        OSError: a file or folder is gone, or the way leads by links whose end cannot be told from here.
    """
    folders = list(_folders(question.path, 0))
    if not all(_has_mode(folder, os.X_OK) for folder in folders):
        return False
    flags = os.statvfs(question.path).f_flag
    is_file = stat.S_ISREG(os.stat(question.path).st_mode)  # noqa: PTH116
    if (question.mode & os.W_OK and flags & os.ST_RDONLY) or (
        question.mode & os.X_OK and is_file and flags & os.ST_NOEXEC
    ):
        return False
    return _has_mode(question.path, question.mode)


def _has_mode(path: str, mode: int) -> bool:
    there = os.stat(path).st_mode  # noqa: PTH116
    return all(there & bit * _ALL == bit * _ALL for bit in (4, 2, 1) if mode & bit) and not has_attribute(path, _ACL)


def has_attribute(path: str, name: str) -> bool:
    """Whether a file has an extended attribute (xattr(7)) that we may read."""
    with suppress(OSError):
        return bool(os.getxattr(path, name))
    return False


def _folders(path: str, links: int) -> Iterator[str]:
    """All that are searched on the way, also by symbolic links.

    Raises:
        OSError: a link in a folder like /tmp, which the kernel may not follow (fs.protected_symlinks); or too many; or
            `..` behind a name, which may be a link.
    """
    done = ""
    if ".." in path.split("/"):
        raise OSError(path)
    for part in path.split("/")[1:]:
        folder, done = done or "/", f"{done}/{part}"
        yield folder
        if os.path.islink(done):  # noqa: PTH114
            if links == _MOST_LINKS or os.stat(folder).st_mode & stat.S_ISVTX:  # noqa: PTH116
                raise OSError(done)
            yield from _folders(_end(folder, os.readlink(done)), links + 1)  # noqa: PTH115


def _end(folder: str, target: str) -> str:
    """Where a link in this folder leads."""
    above = os.path.realpath(folder)
    while target == ".." or target.startswith("../"):
        above, target = os.path.dirname(above), target[3:]  # noqa: PTH120
    return os.path.join(above, target)  # noqa: PTH118


def is_local(path: str) -> bool:
    """Whether a file system has no rules of its own for opening files: no server decides, no driver, no kernel file."""
    buffer = ctypes.create_string_buffer(_STATFS_BYTES)
    if _libc.statfs(os.fsencode(path), buffer) != 0:
        return False
    return int.from_bytes(buffer.raw[:8], "little") in _LOCAL
