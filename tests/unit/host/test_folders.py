"""The user's cache by the XDG base directories, and what there is without one."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from gotrace.errors import UsageError
from gotrace.host.folders import cache_folder, own_folders


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user of whom the password database knows nothing, as in containers."""

    def unknown(uid: int) -> pwd.struct_passwd:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", unknown)


@pytest.mark.parametrize(
    ("cache", "home", "folder"),
    [
        ("/c", "/home/ada", "/c/gotrace"),
        ("", "/home/ada", "/home/ada/.cache/gotrace"),
        ("relative/counts/for/nothing", "/home/ada", "/home/ada/.cache/gotrace"),
    ],
)
def test_the_cache_is_where_the_variables_say(
    monkeypatch: pytest.MonkeyPatch, cache: str, home: str, folder: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", cache)
    monkeypatch.setenv("HOME", home)
    monkeypatch.setenv("TMPDIR", "/t")
    assert cache_folder() == Path(folder)
    assert own_folders() == [Path(folder), Path(f"/t/gotrace-{os.geteuid()}")]


def test_without_variables_the_password_database_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    assert cache_folder() == Path(pwd.getpwuid(os.geteuid()).pw_dir, ".cache/gotrace")


@pytest.mark.parametrize("home", [None, "", "relative"])
def test_who_has_no_home_has_no_cache(monkeypatch: pytest.MonkeyPatch, nobody: None, home: str | None) -> None:
    for name in ("XDG_CACHE_HOME", "HOME", "TMPDIR"):
        monkeypatch.delenv(name, raising=False)
    if home is not None:
        monkeypatch.setenv("HOME", home)
    with pytest.raises(UsageError, match="no folder for a cache"):
        cache_folder()
    assert own_folders() == [Path(f"/tmp/gotrace-{os.geteuid()}")]
