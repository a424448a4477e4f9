"""Writing recordings: private, whole or not at all, and never over what is not the caller's own file."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from gotrace.errors import RecordingError
from gotrace.events.model import Exit
from gotrace.events.recording import Header, Writer, read_recording, write_recording
from gotrace.events.replacement import Replacement

OLDER = [Exit(ts_ns=1, pid=1, status=0)]
NEWER = [Exit(ts_ns=2, pid=2, status=1)]


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """A recording that was there before."""
    path = tmp_path / "x.gotrace"
    write_recording(path, Header(), OLDER)
    return path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def fill_the_disk_of(replacement: Replacement) -> None:
    """Put the kernel's own full disk in the place of the temporary file."""
    replacement.file.close()
    replacement.file = Path("/dev/full").open("wb")  # noqa: SIM115 - the replacement closes it


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_a_recording_is_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_recording(tmp_path / "x", Header(), OLDER)
    finally:
        os.umask(before)
    assert mode(tmp_path / "x") == 0o600


def test_an_older_recording_is_replaced_and_becomes_private(older: Path) -> None:
    older.chmod(0o666)
    write_recording(older, Header(), NEWER)
    assert read_recording(older).events == NEWER
    assert mode(older) == 0o600
    assert list(older.parent.iterdir()) == [older]


def test_who_reads_the_older_one_is_not_disturbed(older: Path) -> None:
    with older.open("rb") as reading:
        write_recording(older, Header(), NEWER)
        assert read_recording(reading).events == OLDER


def test_an_error_half_way_leaves_the_older_one(older: Path) -> None:
    def failing() -> Iterator[Exit]:
        yield from NEWER * 10_000
        raise ValueError("the source of events failed")

    with pytest.raises(ValueError, match="the source"):
        write_recording(older, Header(), failing())
    assert read_recording(older).events == OLDER
    assert list(older.parent.iterdir()) == [older]


@pytest.mark.parametrize("name", ["x.gotrace", "x.gotrace.zst"])
def test_a_full_disk_is_one_clear_error_and_leaves_the_older_one(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_recording(path, Header(), OLDER)

    def write_to_a_full_disk() -> None:
        with Writer.create(path) as writer:
            fill_the_disk_of(writer._replacement)
            writer.write(Header(), NEWER)

    with pytest.raises(RecordingError, match="No space left on device") as raised:
        write_to_a_full_disk()
    assert str(path) in raised.value.message
    assert "Free some space" in raised.value.remedy
    assert read_recording(path).events == OLDER
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_is_full_only_at_the_end_is_an_error_too(older: Path) -> None:
    def write_to_a_full_disk() -> None:
        with Replacement(older) as replacement:
            fill_the_disk_of(replacement)
            replacement.file.write(b"stays in the buffer until the file is closed")

    with pytest.raises(RecordingError, match="No space left on device"):
        write_to_a_full_disk()
    assert read_recording(older).events == OLDER


def test_a_missing_folder_is_named_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="No such file or directory") as raised:
        write_recording(tmp_path / "none" / "x", Header(), NEWER)
    assert raised.value.remedy == f"Make the folder {tmp_path / 'none'} first, or choose another."


def test_a_file_is_no_folder(older: Path) -> None:
    with pytest.raises(RecordingError, match="Not a directory"):
        write_recording(older / "x", Header(), NEWER)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EDQUOT, errno.EIO])
def test_every_refusal_has_a_remedy(tmp_path: Path, number: int) -> None:
    error = Replacement(tmp_path / "x").failure(OSError(number, "text in some language"))
    assert str(tmp_path / "x") in error.message
    assert "some language" not in error.message
    assert error.remedy


def test_a_link_is_never_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    for target in (victim, tmp_path / "none"):
        link = tmp_path / "x.gotrace"
        link.symlink_to(target)
        with pytest.raises(RecordingError, match="symbolic link"):
            write_recording(link, Header(), NEWER)
        assert link.is_symlink()
        link.unlink()
    assert victim.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [victim]


def test_a_link_that_appears_while_writing_is_never_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    path = tmp_path / "x.gotrace"

    def write_while_the_link_appears() -> None:
        with Writer.create(path) as writer:
            writer.write(Header(), NEWER)
            path.symlink_to(victim)

    with pytest.raises(RecordingError, match="symbolic link"):
        write_while_the_link_appears()
    assert victim.read_text() == "precious"


def test_folders_and_devices_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="it is a folder"):
        write_recording(tmp_path, Header(), NEWER)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(RecordingError, match="not a regular file"):
        write_recording(fifo, Header(), NEWER)


def test_somebody_elses_file_is_refused(older: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(RecordingError, match="belongs to another user"):
        write_recording(older, Header(), NEWER)
    assert read_recording(older).events == OLDER


def test_a_path_that_is_no_utf_8_is_shown_as_printable_text(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    with pytest.raises(RecordingError, match=r"caf\\xe9/x") as raised:
        write_recording(path / "x", Header(), NEWER)
    raised.value.message.encode()


def test_a_name_of_any_length_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 255)
    write_recording(path, Header(), NEWER)
    assert read_recording(path).events == NEWER


def test_a_folder_in_which_no_file_can_be_made_is_not_advised_to_be_made() -> None:
    with pytest.raises(RecordingError) as raised:
        write_recording(Path("/proc/x.gotrace"), Header(), NEWER)
    assert raised.value.remedy == "No file can be made in this folder; choose another."
