"""What sudo did to the environment of a command: it removes variables and replaces PATH, and says nothing about it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from gotrace.capture.command import search
from gotrace.capture.procstat import parent

_MATTERS = re.compile(
    r"GO(?!OGLE)[A-Z0-9_]*|CGO_\w+|PKG_CONFIG\w*|(?:LD|LIBRARY|LD_LIBRARY|COMPILER|GCC_EXEC|NIX|CCACHE)_[A-Z_]+"
    r"|PATH|CC|CXX|FC|AR|AS|LD|CPP|CPATH|(?:C|CPLUS|OBJC)_INCLUDE_PATH|(?:C|CPP|CXX|LD)FLAGS|MAKEFLAGS|TMPDIR"
    r"|(?:https?|all|no)_proxy|(?:HTTPS?|ALL|NO)_PROXY|GIT_[A-Z_]+|SSH_AUTH_SOCK|SSL_CERT_(?:FILE|DIR)"
)
"""Variables that change what a Go or C build does (go help environment, gcc(1), pkg-config(1), ld.so(8))."""
_SUDO = frozenset({"sudo", "doas", "sudo-rs"})


def removed_by_sudo(before: Mapping[str, str] | None = None) -> list[str]:
    """Names of the variables that matter to a build and that sudo removed or replaced, sorted; never their values.

    Ask before `privileges.become`: only root may read what sudo was started with (`before`, see `before_sudo`).
    """
    before = before_sudo() if before is None else before
    return sorted(name for name, value in before.items() if _MATTERS.fullmatch(name) and os.environ.get(name) != value)


def found_only_in_users_path(command: str, before: Mapping[str, str] | None = None) -> str | None:
    """Where the user's own PATH has `command`, if the PATH that sudo left (its secure_path) has not."""
    before = before_sudo() if before is None else before
    if "/" in command or "PATH" not in before or search(command, os.environ.get("PATH", os.defpath)):
        return None
    return search(command, before["PATH"])


def before_sudo() -> dict[str, str]:
    """The environment with which the nearest sudo (or doas) among our ancestors was started; empty without one.

    With use_pty there are two sudo processes; both have the user's environment.
    """
    pid = os.getppid()
    while pid > 1:
        folder = Path("/proc", str(pid))
        try:
            if (folder / "comm").read_text().strip() in _SUDO:
                return _variables((folder / "environ").read_bytes())
        except OSError:
            break
        pid = parent(pid)
    return {}


def _variables(raw: bytes) -> dict[str, str]:
    pairs = (os.fsdecode(entry).partition("=") for entry in raw.split(b"\0") if b"=" in entry)
    return {name: value for name, _, value in pairs}
