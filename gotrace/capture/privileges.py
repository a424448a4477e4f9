"""Whose command it is: where gotrace runs as root for somebody, it becomes that user before it starts the command."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gotrace.capture.prctl import PR_SET_DUMPABLE, prctl
from gotrace.capture.sudo import found_only_in_users_path, removed_by_sudo
from gotrace.errors import IdentityError, UsageError
from gotrace.host.kernel import capability_mask

__all__ = ["Invoker", "become", "environment", "found_only_in_users_path", "invoker", "removed_by_sudo", "user"]

_OF_SUDO = frozenset({"SUDO_COMMAND", "SUDO_GID", "SUDO_HOME", "SUDO_TTY", "SUDO_UID", "SUDO_USER", "DOAS_USER"})
_FOLDERS = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME")

_LOADED_LAST = "gotrace.capture.facts"
"""What a capture imports after it has become the user."""


@dataclass(frozen=True)
class Invoker:
    """The user whose command it is, as the password database has them."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str


def invoker() -> Invoker | None:
    """Who called us through sudo or doas; None where we are not root, or root called.

    Raises:
        UsageError: the variables of sudo name somebody whom the password database does not know like that.
    """
    if os.geteuid() != 0:
        return None
    name = os.environ.get("SUDO_USER") or os.environ.get("DOAS_USER")
    if not name:
        return None
    entry = _entry(name)
    number = os.environ.get("SUDO_UID") if os.environ.get("SUDO_USER") else None
    if entry is None or (number is not None and number != str(entry.pw_uid)):
        message = (
            f"sudo says that {name!r} (uid {number or 'unknown'}) called, whom the password database does not know"
        )
        raise UsageError(message, "say who should run the command: gotrace build --user NAME -- ...")
    return _made_of(entry, os.environ.get("SUDO_GID")) if entry.pw_uid else None


def user(name: str) -> Invoker:
    """The user called `name`, to run the command as.

    Raises:
        UsageError: there is no such user, or we are not root.
    """
    entry = _entry(name)
    if entry is None:
        raise UsageError(f"--user {name}: no such user", "see who there is: getent passwd")
    if os.geteuid() != 0:
        raise UsageError(
            f"--user {name}: only root can run a command as somebody else", "leave --user out, or use sudo"
        )
    return _made_of(entry, None)


def _entry(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except (KeyError, ValueError):
        return None


def _made_of(entry: pwd.struct_passwd, sudo_gid: str | None) -> Invoker:
    gid = entry.pw_gid
    # Somebody who ran newgrp(1) before sudo goes on with that group, if it is one of theirs.
    if sudo_gid and sudo_gid.isdigit() and int(sudo_gid) in os.getgrouplist(entry.pw_name, entry.pw_gid):
        gid = int(sudo_gid)
    return Invoker(entry.pw_name, entry.pw_uid, gid, entry.pw_dir, entry.pw_shell or "/bin/sh")


def become(who: Invoker) -> None:
    """Be `who` from now on, for good: user, all groups, no capability, and an environment that says so.

    Raises:
        IdentityError: the kernel does not let us (we are not root, or in a user namespace without that user).
    """
    if (who.uid, who.uid, who.uid) != os.getresuid():
        try:
            os.initgroups(who.name, who.gid)
            os.setresgid(who.gid, who.gid, who.gid)
            os.setresuid(who.uid, who.uid, who.uid)
        except OSError as error:
            message = f"cannot become {who.name} (uid {who.uid}): {error.strerror}"
            raise IdentityError(message, "run gotrace as that user, with --sudo") from None
        if who.uid:
            _check_no_way_back(who)
        # The kernel hides /proc/self of a process that changed its user (prctl(2)); ours holds no secret of root's.
        prctl(PR_SET_DUMPABLE, 1)
        _check_own_files(who)
    wanted = environment(who, os.environ)
    for name in os.environ.keys() - wanted.keys():
        del os.environ[name]
    os.environ.update(wanted)


def _check_no_way_back(who: Invoker) -> None:
    try:
        os.setresuid(0, 0, 0)
    except PermissionError:
        could_use = capability_mask(Path("/proc/self/status").read_text(), "CapPrm")
        if os.getresuid() == (who.uid,) * 3 and os.getresgid() == (who.gid,) * 3 and not could_use:
            return
    raise IdentityError(f"could not give up root's rights for {who.name}", f"run gotrace as {who.name}, with --sudo")


def _check_own_files(who: Invoker) -> None:
    """Much of gotrace and of Python is loaded when it is first used, and from now on as that user.

    Whoever has loaded it all before, as root, needs no file any more.
    """
    if _LOADED_LAST in sys.modules:
        return
    for file in (os.__file__, __file__):
        if not os.access(file, os.R_OK):
            message = f"{who.name} cannot read {file}, which gotrace needs to work as {who.name}"
            raise IdentityError(message, "install gotrace, and its Python, where every user can read them")


def environment(who: Invoker, env: Mapping[str, str]) -> dict[str, str]:
    """The environment for a command of `who`: `env` with their home, name and shell, without what sudo left in it.

    A folder of the XDG base directories stays only where it belongs to them.
    """
    mine = {name: value for name, value in env.items() if name not in _OF_SUDO}
    for name in _FOLDERS:
        if name in mine and not _belongs_to(mine[name], who.uid):
            del mine[name]
    mine |= {"HOME": who.home, "USER": who.name, "LOGNAME": who.name, "SHELL": who.shell}
    if "MAIL" in mine:
        mine["MAIL"] = f"/var/mail/{who.name}"
    return mine


def _belongs_to(folder: str, uid: int) -> bool:
    try:
        return os.lstat(folder).st_uid == uid  # a link is not theirs because its target is
    except (OSError, ValueError):
        return False
