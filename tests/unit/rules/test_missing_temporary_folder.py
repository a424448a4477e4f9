"""missing-temporary-folder: something new, and no folder to make it in."""

from __future__ import annotations

from errno import EACCES, EROFS

import pytest

from gotrace.rules.finding import Severity
from tests.unit.rules.programs import IMAGE, Program
from tests.unit.rules.scenes import lines

CREATE = 0o2000302
READ = 0o2000000
TMPFILE = 0o20200002
NAME = "missing-temporary-folder"


def test_a_file_in_a_folder_that_is_not_there() -> None:
    program = Program(root="/srv/root")
    program.misses("/tmp/upload-1", flags=CREATE)
    finding = program.finding(NAME)
    assert finding.message == (
        "app could not make a file in /tmp, which is not among the files of /srv/root, its root folder."
    )
    assert finding.confidence == 1.0
    assert lines(finding) == ["mkdir -p -m 1777 /srv/root/tmp"]


def test_a_folder_and_the_look_that_go_takes_then() -> None:
    program = Program(mount_namespace=IMAGE)
    program.misses("/tmp/upload-1", syscall="mkdirat")
    program.misses("/tmp", syscall="newfstatat")
    finding = program.finding(NAME)
    assert "could not make a folder in /tmp" in finding.message
    assert finding.confidence == 1.0
    assert "WORKDIR /tmp in the Dockerfile" in finding.fix[0].text


def test_a_file_without_a_name_names_its_folder() -> None:
    program = Program()
    program.misses("/tmp", flags=TMPFILE)
    assert "could not make a file in /tmp" in program.finding(NAME).message


def test_a_read_only_one() -> None:
    program = Program(mount_namespace=IMAGE)
    program.misses("/tmp/upload-1", flags=CREATE, errno=EROFS)
    finding = program.finding(NAME)
    assert finding.message == "app could not make a file in /tmp, which is on a read-only file system."
    assert "docker run --tmpfs /tmp" in finding.fix[0].text


def test_the_folder_that_tmpdir_names() -> None:
    program = Program(env={"TMPDIR": "/var/cache/app/"})
    program.misses("/var/cache/app/upload-1", flags=CREATE)
    assert "in /var/cache/app, which" in program.finding(NAME).message


@pytest.mark.parametrize(
    ("path", "flags", "errno"),
    [("/tmp/socket", READ, 2), ("/data/upload-1", CREATE, 2), ("/tmp/a/b", CREATE, 2), ("/tmp/x", CREATE, EACCES)],
)
def test_other_failures_are_none(path: str, flags: int, errno: int) -> None:
    program = Program()
    program.misses(path, flags=flags, errno=errno)
    assert program.findings() == []


def test_who_goes_on_or_names_another_reason_did_not_fail_by_it() -> None:
    program = Program()
    program.misses("/tmp/upload-1", flags=CREATE)
    assert program.findings(status=0) == []
    assert program.findings(status=None, signal=15) == []
    program.says("panic: another reason")
    assert program.findings() == []


def test_what_failed_later_makes_it_less_sure() -> None:
    program = Program()
    program.misses("/tmp/upload-1", flags=CREATE)
    program.misses("/etc/app.conf")
    finding = program.finding(NAME)
    assert finding.confidence < 1.0
    assert finding.severity is Severity.WARNING
