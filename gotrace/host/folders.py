"""Where gotrace keeps files of the user it runs as."""

from __future__ import annotations

import os
import pwd
from contextlib import suppress
from pathlib import Path

from gotrace.errors import UsageError


def cache_folder() -> Path:
    """gotrace's folder in the user's cache: in $XDG_CACHE_HOME, else in ~/.cache, as the XDG base directories are.

    By that specification a variable that is no absolute path counts for nothing.

    Raises:
        UsageError: the user has neither that nor a home.
    """
    cache = os.environ.get("XDG_CACHE_HOME", "")
    if cache.startswith("/"):
        return Path(cache, "gotrace")
    home = os.environ.get("HOME") or _home_by_password_database()
    if not home.startswith("/"):
        raise UsageError("there is no folder for a cache", "set HOME or XDG_CACHE_HOME to an absolute path")
    return Path(home, ".cache/gotrace")


def own_folders() -> list[Path]:
    """gotrace's folder in the user's cache, where there is one, then one in $TMPDIR.

    The latter may be somebody else's: whoever uses it looks at its owner.
    """
    folders = [Path(os.environ.get("TMPDIR") or "/tmp", f"gotrace-{os.geteuid()}")]
    with suppress(UsageError):
        folders.insert(0, cache_folder())
    return folders


def _home_by_password_database() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        return ""
