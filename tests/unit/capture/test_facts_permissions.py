"""Whether a file lets in who was refused: asked on this machine, of files with chosen modes."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from errno import EACCES, EROFS
from pathlib import Path
from typing import Any

import pytest

from gotrace.capture.facts.found import Found
from gotrace.capture.facts.permissions import permission_facts
from gotrace.capture.facts.processes import Processes
from gotrace.events.model import Exec, Exit, Fact, Fork, KnownEvent, SyscallError
from gotrace.host import modes, permissions

PID = 7
_AT_FDCWD = 0xFFFFFF9C
_CAP_SETUID = 1 << 7


@pytest.fixture(autouse=True)
def _any_file_system_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modes, "is_local", lambda path: True)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text("text")
    return path


def ours(**changed: Any) -> dict[str, Any]:
    """What a process like this one is allowed; read after the call."""
    mine = permissions.ours()
    return {
        "fsuid": mine.uid, "fsgid": mine.gid, "groups": list(mine.groups), "capabilities": f"{mine.capabilities:016x}",
        "seen": True, "read_ns": time.monotonic_ns() + 1_000_000_000,
    } | changed  # fmt: skip


def opened(path: Path | str, flags: int = os.O_RDONLY, *, errno: int = EACCES, folder: int = _AT_FDCWD) -> SyscallError:
    return SyscallError(
        ts_ns=time.monotonic_ns() + 500_000_000, pid=PID, syscall="openat", errno=errno, paths=(str(path),),
        args=(folder, 0, flags, 0, 0, 0),
    )  # fmt: skip


def facts(
    *calls: SyscallError | Exec, cwd: str = "/", confinement: Mapping[str, Any] | None = None, status: int = 1
) -> list[Found]:
    events: list[KnownEvent] = [Exec(ts_ns=1, pid=PID, path="/bin/app", argv=("app",), env={}, cwd=cwd), *calls]
    events.append(Exit(ts_ns=time.monotonic_ns() + 900_000_000, pid=PID, status=status))
    data = dict(ours() if confinement is None else confinement)
    events.append(Fact(ts_ns=time.monotonic_ns(), pid=PID, name="confinement", data=data))
    return permission_facts(Processes(events), events)


def test_a_file_that_may_be_read(file: Path) -> None:
    (found,) = facts(opened(file))
    assert (found.name, found.subject, found.pid) == ("permission", str(file), PID)
    assert found.data == {
        "syscall": "openat", "wanted": "read", "allowed": "process", "files": [str(file)], "pid": PID,
    }  # fmt: skip


def test_a_relative_path_begins_where_the_program_was_started(file: Path) -> None:
    (found,) = facts(opened("file"), cwd=str(file.parent))
    assert found.data["files"] == [str(file)]
    assert facts(opened("file", folder=5), cwd=str(file.parent)) == []


def test_a_file_that_its_mode_refuses(file: Path) -> None:
    file.chmod(0o200)
    assert facts(opened(file), confinement=ours(capabilities="0")) == []
    assert facts(opened(file, os.O_WRONLY), confinement=ours(capabilities="0"))[0].data["wanted"] == "write"


def test_a_folder_on_the_way_that_may_not_be_searched(file: Path) -> None:
    file.parent.chmod(0o600)
    try:
        assert facts(opened(file), confinement=ours(capabilities="0")) == []
    finally:
        file.parent.chmod(0o700)


def test_a_file_that_is_to_be_made_asks_its_folder(tmp_path: Path) -> None:
    (found,) = facts(opened(tmp_path / "new", os.O_WRONLY | os.O_CREAT))
    assert (found.data["wanted"], found.data["files"]) == ("make or remove names in", [str(tmp_path)])
    tmp_path.chmod(0o500)
    assert facts(opened(tmp_path / "new", os.O_WRONLY | os.O_CREAT), confinement=ours(capabilities="0")) == []


def test_rights_that_may_have_changed_since_are_those_of_nobody_in_particular(file: Path) -> None:
    file.chmod(0o600)
    early = ours(capabilities=f"{_CAP_SETUID:x}", read_ns=1)
    assert facts(opened(file), confinement=early) == []
    assert facts(opened("/etc/passwd"), confinement=early)[0].data["allowed"] == "everybody"


def test_what_is_not_known_of_the_process_is_not_guessed(file: Path) -> None:
    file.chmod(0o600)
    assert facts(opened(file), confinement={}) == []
    assert facts(opened("/etc/passwd"), confinement={})[0].data["allowed"] == "everybody"


def test_somebody_elses_rights_are_asked_for_by_root_only(file: Path) -> None:
    file.chmod(0o640)
    file.parent.chmod(0o755)
    somebody = ours(fsuid=12345, fsgid=os.getgid(), groups=[], capabilities="0")
    found = facts(opened(file), confinement=somebody)
    reaches = all(folder.stat().st_mode & 0o001 for folder in file.parents)
    assert [one.data["allowed"] for one in found] == (["process"] if os.geteuid() == 0 and reaches else [])


def test_a_mode_that_was_changed_since_says_nothing(file: Path) -> None:
    call = opened(file)
    old = SyscallError(ts_ns=1, pid=PID, syscall="openat", errno=EACCES, paths=call.paths, args=call.args)
    os.utime(file, (0, 0))
    file.chmod(0o644)
    assert facts(old) == []


def test_devices_and_files_of_the_kernel_have_drivers(monkeypatch: pytest.MonkeyPatch) -> None:
    assert facts(opened("/dev/null")) == []
    monkeypatch.undo()
    assert facts(opened("/proc/version")) == []


def test_a_program_asks_for_its_interpreter_as_well(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh -e\nexit\n")
    script.chmod(0o755)
    attempt = Exec(ts_ns=time.monotonic_ns() + 500_000_000, pid=PID, path=str(script), error=EACCES)
    (found,) = facts(attempt)
    assert (found.data["syscall"], found.data["wanted"]) == ("execve", "execute")
    assert found.data["files"] == [str(script), "/bin/sh"]
    script.chmod(0o644)
    assert facts(attempt) == []


def test_a_folder_is_no_program(tmp_path: Path) -> None:
    assert facts(Exec(ts_ns=time.monotonic_ns() + 500_000_000, pid=PID, path=str(tmp_path), error=EACCES)) == []


def test_a_copy_that_ran_nothing_belongs_to_the_program_above(file: Path) -> None:
    now = time.monotonic_ns() + 500_000_000
    events: list[KnownEvent] = [
        Exec(ts_ns=1, pid=PID, path="/bin/app", argv=("app",), env={}, cwd="/"),
        Fork(ts_ns=2, pid=PID, child_pid=8),
        Exec(ts_ns=now, pid=8, path="/bin/sh", error=EACCES),
        Exit(ts_ns=now + 1, pid=8, status=126),
        Exit(ts_ns=now + 2, pid=PID, status=1),
    ]
    (found,) = permission_facts(Processes(events), events)
    assert (found.pid, found.data["allowed"]) == (8, "everybody")


def test_nothing_is_asked_of_what_ended_well_or_failed_otherwise(file: Path) -> None:
    assert facts(opened(file), status=0) == []
    assert facts(opened(file, errno=EROFS)) == []


def test_a_file_of_others_in_a_folder_like_tmp(tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o1777)
    assert facts(opened(file, os.O_WRONLY | os.O_CREAT)) != []
    monkeypatch.setattr(modes, "is_protected", lambda path, rights: True)
    assert facts(opened(file, os.O_WRONLY | os.O_CREAT)) == []


def test_a_storm_of_refusals_is_asked_about_once(file: Path) -> None:
    assert len(facts(*[opened(file)] * 1000)) == 1
    assert len(facts(*[opened(f"/etc/passwd{'/' * number}") for number in range(100)])) <= 16
