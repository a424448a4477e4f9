"""What modes say: of files, and of the folders and links on the way to them."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from gotrace.host.modes import changed_since, is_local, is_protected, let_everybody
from gotrace.host.permissions import Question, Rights


@pytest.mark.parametrize(("path", "local"), [("/proc/self", False), ("/sys", False), ("/no/such/folder", False)])
def test_files_of_the_kernel_are_not_local(path: str, local: bool) -> None:
    assert is_local(path) is local


def test_everybody_is_the_owner_the_group_and_all_others() -> None:
    assert let_everybody(Question("/etc/passwd", os.R_OK))
    assert not let_everybody(Question("/etc/passwd", os.W_OK))
    assert not let_everybody(Question("/etc/passwd", os.X_OK))
    assert let_everybody(Question("/usr/bin/env", os.R_OK | os.X_OK))


def test_a_closed_folder_on_the_way_lets_nobody_in(tmp_path: Path) -> None:
    closed = tmp_path / "closed"  # as pytest's own folders above it are
    closed.mkdir(mode=0o700)
    (closed / "file").touch(0o644)
    assert not let_everybody(Question(str(closed / "file"), os.R_OK))


def test_links_are_followed(tmp_path: Path) -> None:
    link = Path("/usr/bin/awk")
    if link.is_symlink():
        assert let_everybody(Question(str(link), os.X_OK))
    looped = tmp_path / "loop"
    looped.symlink_to(looped)
    with pytest.raises(OSError, match="loop"):
        let_everybody(Question(str(looped), os.R_OK))


def test_two_dots_behind_a_name_may_lead_anywhere() -> None:
    with pytest.raises(OSError, match="passwd"):
        let_everybody(Question("/etc/../etc/passwd", os.R_OK))


def test_a_file_of_others_in_a_folder_that_all_may_write(tmp_path: Path) -> None:
    file, folder = tmp_path / "file", tmp_path
    file.touch()
    mine = Rights(os.geteuid(), os.getegid(), (), 0)
    folder.chmod(0o1777)
    assert not is_protected(str(file), mine)
    assert not is_protected(str(file), mine._replace(uid=os.geteuid() + 1))  # it is the folder's owner's
    if os.geteuid() == 0:
        os.chown(file, 12345, -1)
        assert is_protected(str(file), mine)
        assert not is_protected(str(file), mine._replace(uid=12345))
        folder.chmod(0o700)
        assert not is_protected(str(file), mine)


def test_a_mode_that_changed(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert not changed_since(str(file), time.time_ns() + 1_000_000_000)
    os.utime(file, (0, 0))
    assert changed_since(str(file), 0)
