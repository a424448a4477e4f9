"""What /proc tells of a process, read from real ones."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from gotrace.sources.netlink.lookup import has_ended, look_up, name_as_executed
from gotrace.sources.netlink.records import ExecRecord


def looked_up(pid: int) -> ExecRecord:
    """Popen returns while the exec is not quite done: then /proc has no command line yet."""
    deadline = time.monotonic() + 60
    while True:
        one = ExecRecord(1, pid, pid)
        look_up([one])
        if one.cmdline or time.monotonic() > deadline:
            return one


def test_an_environment_may_be_empty() -> None:
    process = subprocess.Popen(["/bin/sleep", "600"], env={})
    try:
        assert looked_up(process.pid).environ == b""
    finally:
        process.kill()
        process.wait()


def test_a_running_program_is_read(tmp_path: Path) -> None:
    long = "x" * 70_000  # more than is read at once
    process = subprocess.Popen(["/bin/sleep", "600"], cwd=tmp_path, env={"LONG": long, "Y": ""})
    try:
        one = looked_up(process.pid)

        assert one.cmdline == b"/bin/sleep\x00600\x00"
        assert one.path == os.path.realpath(b"/bin/sleep")
        assert one.environ == b"LONG=" + long.encode() + b"\0Y=\0"
        assert one.cwd == bytes(tmp_path)
        assert not has_ended(process.pid)
    finally:
        process.kill()
        process.wait()


def test_of_a_program_that_has_ended_nothing_is_made_up() -> None:
    process = subprocess.Popen(["/bin/true"])
    deadline = time.monotonic() + 60
    while not has_ended(process.pid) and time.monotonic() < deadline:
        time.sleep(0.001)
    one = ExecRecord(1, process.pid, process.pid)

    look_up([one])

    assert has_ended(process.pid)
    assert (one.path, one.cmdline, one.environ, one.cwd) == (None, None, None, None)
    process.wait()
    assert has_ended(process.pid)


def test_a_program_whose_file_was_deleted_keeps_its_name(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(Path("/bin/sleep").read_bytes())
    program.chmod(0o755)
    process = subprocess.Popen([program, "600"])
    try:
        program.unlink()
        assert looked_up(process.pid).path == bytes(program)
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with gcc, a link to x86_64-linux-gnu-gcc-12."""
    (tmp_path / "bin").mkdir()
    real = tmp_path / "bin/x86_64-linux-gnu-gcc-12"
    real.touch(0o755)
    (tmp_path / "bin/gcc").symlink_to(real.name)
    return tmp_path


@pytest.mark.parametrize(
    ("first", "path"),
    [
        ("{folder}/bin/gcc", "bin/gcc"),
        ("bin/gcc", "bin/gcc"),
        ("./bin/../bin/gcc", "bin/gcc"),
        ("gcc", "bin/gcc"),
        ("cc", "bin/x86_64-linux-gnu-gcc-12"),
        ("-sh", "bin/x86_64-linux-gnu-gcc-12"),
        ("", "bin/x86_64-linux-gnu-gcc-12"),
        ("/nowhere/gcc", "bin/x86_64-linux-gnu-gcc-12"),
    ],
)
def test_the_first_argument_names_the_file_where_it_leads_to_it(folder: Path, first: str, path: str) -> None:
    one = ExecRecord(
        1, 2, 2,
        path=bytes(folder / "bin/x86_64-linux-gnu-gcc-12"),
        cmdline=first.format(folder=folder).encode() + b"\0-c\0",
        environ=f"A=1\0PATH=relative:/nowhere:{folder}/bin\0".encode(),
        cwd=bytes(folder),
    )  # fmt: skip

    name_as_executed(one)

    assert one.path == bytes(folder / path)
