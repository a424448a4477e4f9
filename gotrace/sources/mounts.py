"""Which mount namespace a process is in (namespaces(7)): what it calls /usr may be another folder than what we do."""

from __future__ import annotations

import os


def mount_namespace(pid: int | str = "self") -> int:
    """The inode number that stands for the mount namespace of a process; 0 where /proc does not tell us."""
    try:
        return os.stat(f"/proc/{pid}/ns/mnt").st_ino  # noqa: PTH116  called for each exec
    except OSError:
        return 0
