"""Whose command it is, by sudo's variables and the password database; tests/integration has the kernel's part."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from gotrace.capture import privileges
from gotrace.capture.privileges import Invoker, become, environment, invoker, user
from gotrace.errors import NotPermittedError, UsageError

DAEMON = pwd.getpwnam("daemon")
SOMEBODY = Invoker("somebody", 1234, 1234, "/home/somebody", "/bin/zsh")


@pytest.fixture(autouse=True)
def root(monkeypatch: pytest.MonkeyPatch) -> None:
    """We are root, and nobody called."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    for name in ("SUDO_USER", "SUDO_UID", "SUDO_GID", "DOAS_USER"):
        monkeypatch.delenv(name, raising=False)


def by_sudo(monkeypatch: pytest.MonkeyPatch, name: str, uid: int, gid: int) -> None:
    monkeypatch.setenv("SUDO_USER", name)
    monkeypatch.setenv("SUDO_UID", str(uid))
    monkeypatch.setenv("SUDO_GID", str(gid))


def test_root_alone_has_no_invoker() -> None:
    assert invoker() is None


def test_sudo_names_the_invoker_and_the_password_database_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    by_sudo(monkeypatch, "daemon", DAEMON.pw_uid, DAEMON.pw_gid)
    assert invoker() == Invoker("daemon", DAEMON.pw_uid, DAEMON.pw_gid, DAEMON.pw_dir, DAEMON.pw_shell)


def test_doas_names_the_invoker_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOAS_USER", "daemon")
    found = invoker()
    assert found is not None
    assert found.uid == DAEMON.pw_uid


def test_a_group_that_is_not_theirs_is_not_taken_from_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    by_sudo(monkeypatch, "daemon", DAEMON.pw_uid, 0)
    found = invoker()
    assert found is not None
    assert found.gid == DAEMON.pw_gid


def test_root_who_used_sudo_stays_root(monkeypatch: pytest.MonkeyPatch) -> None:
    by_sudo(monkeypatch, "root", 0, 0)
    assert invoker() is None


def test_an_ordinary_user_is_nobodys_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    by_sudo(monkeypatch, "daemon", DAEMON.pw_uid, DAEMON.pw_gid)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert invoker() is None


@pytest.mark.parametrize(("name", "uid"), [("daemon", 4711), ("no-such-user", 1), ("#4711", 4711)])
def test_variables_that_contradict_the_password_database(monkeypatch: pytest.MonkeyPatch, name: str, uid: int) -> None:
    by_sudo(monkeypatch, name, uid, 1)
    with pytest.raises(UsageError) as error:
        invoker()
    assert "--user" in error.value.remedy


def test_a_user_can_be_named() -> None:
    assert user("daemon").uid == DAEMON.pw_uid


def test_an_unknown_user_cannot_be_named() -> None:
    with pytest.raises(UsageError, match="no such user"):
        user("no-such-user")


def test_only_root_can_name_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(UsageError, match="only root"):
        user("daemon")


def test_the_environment_is_the_users_own() -> None:
    before = {
        "HOME": "/root", "USER": "root", "LOGNAME": "root", "SHELL": "/bin/bash", "MAIL": "/var/mail/root",
        "PATH": "/bin", "GOFLAGS": "-mod=mod", "SUDO_USER": "somebody", "SUDO_UID": "1234", "SUDO_COMMAND": "gotrace",
    }  # fmt: skip
    assert environment(SOMEBODY, before) == {
        "HOME": "/home/somebody", "USER": "somebody", "LOGNAME": "somebody", "SHELL": "/bin/zsh",
        "MAIL": "/var/mail/somebody", "PATH": "/bin", "GOFLAGS": "-mod=mod",
    }  # fmt: skip


def test_a_folder_stays_only_where_it_belongs_to_the_user(tmp_path: Path) -> None:
    mine = Invoker("me", tmp_path.stat().st_uid, 1, "/home/me", "/bin/sh")
    before = {"XDG_RUNTIME_DIR": str(tmp_path), "XDG_CACHE_HOME": "/no/such/folder"}
    assert environment(mine, before)["XDG_RUNTIME_DIR"] == str(tmp_path)
    assert "XDG_CACHE_HOME" not in environment(mine, before)
    assert "XDG_RUNTIME_DIR" not in environment(SOMEBODY, before)


def test_becoming_a_user_is_refused_where_the_way_back_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("initgroups", "setresgid", "setresuid"):
        monkeypatch.setattr(os, name, lambda *_: None)
    monkeypatch.setattr(privileges, "prctl", lambda *_: None)
    monkeypatch.setattr(os, "getresuid", lambda: (0, 0, 0))
    with pytest.raises(NotPermittedError, match="could not give up"):
        become(SOMEBODY)


def test_what_the_kernel_refuses_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "initgroups", refused)
    with pytest.raises(NotPermittedError, match=r"cannot become somebody \(uid 1234\): Operation not permitted"):
        become(SOMEBODY)


def test_who_has_become_the_user_already_only_puts_the_environment_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second source may be tried after the first was refused."""

    def called(*_: object) -> None:
        raise AssertionError("a user who is not root any more could not do that")

    for name in ("initgroups", "setresgid", "setresuid"):
        monkeypatch.setattr(os, name, called)
    monkeypatch.setattr(os, "getresuid", lambda: (1234, 1234, 1234))
    before = dict(os.environ)
    monkeypatch.setattr(os, "environ", dict(before))
    become(SOMEBODY)
    once = dict(os.environ)
    become(SOMEBODY)
    assert os.environ == once == environment(SOMEBODY, before)
