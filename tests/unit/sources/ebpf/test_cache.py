"""What is loaded into the kernel must be nobody else's to write."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gotrace.sources.ebpf import cache
from gotrace.sources.ebpf.compiled import Compiled, Layout, MapSpec, Program

COMPILED = Compiled(
    "k" * 40,
    [MapSpec("live", 27, 0, 0, 4096, 0)],
    [Program("on_exit", b"\x95" + b"\0" * 7, [(0, "live")])],
    {"config": Layout([("cookie", "Q", 1)])},
    {"KIND_FORK": 1},
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "cache"
    assert cache.store(COMPILED, path) is None
    return path


def stored(folder: Path) -> Path:
    return folder / f"{COMPILED.key}.probes"


def test_what_was_stored_comes_back(folder: Path) -> None:
    assert cache.load(COMPILED.key, folder) == COMPILED


def test_folder_and_file_are_private(folder: Path) -> None:
    assert folder.stat().st_mode & 0o777 == 0o700
    assert stored(folder).stat().st_mode & 0o777 == 0o600


def test_the_folder_above_is_private_too(tmp_path: Path) -> None:
    """The spools of the user lie beside it, and are refused where others could exchange that folder."""
    umask = os.umask(0o002)
    try:
        assert cache.store(COMPILED, tmp_path / "gotrace" / "ebpf") is None
    finally:
        os.umask(umask)
    assert (tmp_path / "gotrace").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o720, 0o702])
def test_a_folder_that_others_can_write_is_not_used(folder: Path, mode: int) -> None:
    folder.chmod(mode)
    assert cache.load(COMPILED.key, folder) is None
    assert "cannot be kept" in str(cache.store(COMPILED, folder))


def test_whether_anything_could_be_kept_is_told_before(folder: Path, tmp_path: Path) -> None:
    assert cache.problem(folder) is None
    assert cache.problem(tmp_path / "new") is None
    (tmp_path / "file").touch()
    assert cache.problem(tmp_path / "file") == f"compiled probes cannot be kept in {tmp_path}/file: Not a directory"
    folder.chmod(0o777)
    assert "others could write in this folder" in str(cache.problem(folder))


def test_a_folder_that_takes_no_file_keeps_nothing() -> None:
    """/proc/self/fd is ours, and not even root can make a file there."""
    assert "cannot be kept in /proc/self" in str(cache.problem(Path("/proc/self/fd")))


@pytest.mark.parametrize("mode", [0o666, 0o620, 0o602])
def test_a_file_that_others_can_write_is_not_used(folder: Path, mode: int) -> None:
    stored(folder).chmod(mode)
    assert cache.load(COMPILED.key, folder) is None


def test_links_are_not_followed(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    stored(folder).rename(elsewhere)
    stored(folder).symlink_to(elsewhere)
    assert cache.load(COMPILED.key, folder) is None

    linked = tmp_path / "linked"
    linked.symlink_to(folder)
    assert cache.load(COMPILED.key, linked) is None


@pytest.mark.root("only root can give files away")
@pytest.mark.parametrize("which", ["folder", "file"])
def test_another_users_folder_or_file_is_not_used(folder: Path, which: str) -> None:
    os.chown(folder if which == "folder" else stored(folder), 65534, 65534)
    assert cache.load(COMPILED.key, folder) is None


@pytest.mark.parametrize("content", [b"", b"\xc1", b"not it", b"\x80"])
def test_damaged_files_are_as_good_as_none(folder: Path, content: bytes) -> None:
    stored(folder).write_bytes(content)
    assert cache.load(COMPILED.key, folder) is None


def test_a_file_under_another_key_is_not_believed(folder: Path) -> None:
    stored(folder).rename(folder / f"{'x' * 40}.probes")
    assert cache.load("x" * 40, folder) is None


def test_old_entries_go_when_there_are_many(folder: Path) -> None:
    for number in range(12):
        cache.store(Compiled(f"{number:040}", [], [], {}, {}), folder)
    assert len(list(folder.glob("*.probes"))) == 8


def test_why_it_cannot_be_stored_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be kept in" in str(cache.store(COMPILED, tmp_path / "file"))
