"""Folders and files that nobody but the user may read, write or put in the way."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path
from typing import IO

from gotrace.host.folders import own_folders


def spool_folders() -> list[Path]:
    """Where spools may lie, the preferred one first."""
    return [folder / "spool" for folder in own_folders()]


def private_file(folder: Path, suffix: str) -> tuple[IO[bytes], Path] | None:
    """A new file (0600, of an unguessable name) in `folder`; None where the folder cannot be made or trusted.

    It and its parent are made with mode 0700 where missing. The last folder must be a real one, ours, and closed to
    others; that is checked on its descriptor and the file is made through that, so that no link can come between.
    """
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _ours(folder.parent):
            return None
        folder.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        found = os.fstat(descriptor)
        if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
            return None
        name = f"{os.getpid()}-{secrets.token_hex(8)}{suffix}"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        file = os.open(name, flags, 0o600, dir_fd=descriptor)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return os.fdopen(file, "r+b", buffering=0), folder / name


def _ours(folder: Path) -> bool:
    """A real folder of ours that only we may write: elsewhere our own could be exchanged."""
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022
