"""Under ptrace as an ordinary user, in namespaces, without new privileges, under small limits; and as root."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gotrace.events.model import Exec, SyscallError
from gotrace.events.recording import read_recording
from tests.integration.conftest import GOTRACE
from tests.integration.ordinary_user import OrdinaryUser, ordinary_user, run
from tests.integration.watching import nothing_lost

pytestmark = pytest.mark.root("only root can make a user to try it with")


@pytest.fixture(scope="module")
def user() -> Iterator[OrdinaryUser]:
    with ordinary_user() as somebody:
        yield somebody


@pytest.fixture(scope="module")
def set_user_id(user: OrdinaryUser) -> str:
    """A set-user-ID root copy of id(1), where that bit counts."""
    program = user.home / "id-of-root"
    shutil.copy("/usr/bin/id", program)
    os.chown(program, 0, 0)
    program.chmod(0o4755)
    return str(program)


def executions(recording: Path, name: str) -> list[Exec]:
    events = read_recording(recording).events
    return [one for one in events if isinstance(one, Exec) and one.path.endswith(name) and not one.error]


def missing(recording: Path) -> list[SyscallError]:
    events = read_recording(recording).events
    return [one for one in events if isinstance(one, SyscallError) and "/nowhere" in one.paths]


def report_of(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text()))


# --- an ordinary user ------------------------------------------------------------------------------------------------


def test_what_is_chosen_for_an_ordinary_user_and_why(user: OrdinaryUser) -> None:
    done = run(user, user.gotrace, "build", "-o", "chosen.gotrace", "--", "sh", "-c", "cat /nowhere; id -u; exit 4")
    assert (done.returncode, done.stdout) == (4, f"{user.uid}\n"), done.stderr
    assert "cat: /nowhere: No such file or directory\n" in done.stderr
    assert nothing_lost(done.stderr)
    assert read_recording(user.home / "chosen.gotrace").header.source == "ptrace"
    assert "ptrace" in done.stderr
    assert [one.errno for one in missing(user.home / "chosen.gotrace")] == [2]


def test_a_set_user_id_program_runs_as_the_user_and_that_is_told(user: OrdinaryUser, set_user_id: str) -> None:
    assert run(user, set_user_id, "-u").stdout == "0\n"
    options = ("--backend", "ptrace", "--report", "json:set-user-id.json", "-o", "set-user-id.gotrace")
    done = run(user, user.gotrace, "build", *options, "--", set_user_id, "-u")
    assert (done.returncode, done.stdout) == (0, f"{user.uid}\n"), done.stderr
    assert [one.suppressed for one in executions(user.home / "set-user-id.gotrace", "id-of-root")] == [True]
    degraded = report_of(user.home / "set-user-id.json")["degraded"]
    assert any("id-of-root" in one and "set-user-ID" in one for one in degraded)


def test_who_gave_up_new_privileges_before_has_lost_nothing_by_us(user: OrdinaryUser, set_user_id: str) -> None:
    around = ("setpriv", "--no-new-privs")
    assert run(user, *around, set_user_id, "-u").stdout == f"{user.uid}\n"
    command = ("build", "--backend", "ptrace", "-o", "given-up.gotrace", "--", set_user_id, "-u")
    done = run(user, *around, user.gotrace, *command)
    assert (done.returncode, done.stdout) == (0, f"{user.uid}\n"), done.stderr
    assert [one.suppressed for one in executions(user.home / "given-up.gotrace", "id-of-root")] == [False]


def test_in_namespaces_of_the_users_own(user: OrdinaryUser) -> None:
    around = ("unshare", "-Urpf", "--mount-proc")
    command = ("build", "--backend", "ptrace", "-o", "inside.gotrace", "--", "sh", "-c", "cat /nowhere; id -u; exit 4")
    done = run(user, *around, user.gotrace, *command)
    assert (done.returncode, done.stdout) == (4, "0\n"), done.stderr
    assert nothing_lost(done.stderr)
    recording = read_recording(user.home / "inside.gotrace")
    assert recording.header.source == "ptrace"
    assert all(one.pid < 100 for one in recording.events if isinstance(one, Exec))
    assert len(missing(user.home / "inside.gotrace")) == 1


def test_a_command_that_makes_its_own_namespaces(user: OrdinaryUser) -> None:
    command = ("unshare", "-Urpf", "--mount-proc", "sh", "-c", "cat /nowhere; id -u; exit 4")
    done = run(user, user.gotrace, "build", "--backend", "ptrace", "-o", "own.gotrace", "--", *command)
    assert (done.returncode, done.stdout) == (4, "0\n"), done.stderr
    assert nothing_lost(done.stderr)
    (cat,) = executions(user.home / "own.gotrace", "/cat")
    assert (cat.argv, cat.cwd) == (("cat", "/nowhere"), str(user.home))
    assert [one.ns_pid for one in missing(user.home / "own.gotrace")] == [cat.ns_pid]
    assert cat.ns_pid is not None
    assert cat.ns_pid < 10


@pytest.mark.parametrize(
    "limits",
    [
        ("--nofile=16:16",),
        ("--fsize=100000:100000",),
        ("--as=400000000:400000000",),
        ("--cpu=20:20",),
        ("--sigpending=4:4",),
        ("--memlock=0:0", "--stack=1000000:1000000"),
        ("--rss=0:0", "--msgqueue=0:0", "--core=0:0"),
    ],
)
def test_small_limits(user: OrdinaryUser, limits: tuple[str, ...]) -> None:
    script = "cat /nowhere; for i in 1 2 3 4 5 6 7 8; do sleep 0.01 & done; wait; exit 4"
    command = ("build", "--backend", "ptrace", "-o", "limits.gotrace", "--", "sh", "-c", script)
    done = run(user, "prlimit", *limits, user.gotrace, *command)
    assert done.returncode == 4, done.stderr
    assert nothing_lost(done.stderr)
    assert len(executions(user.home / "limits.gotrace", "/sleep")) == 8
    assert all(one.argv == ("sleep", "0.01") for one in executions(user.home / "limits.gotrace", "/sleep"))


def test_where_no_process_may_be_made_that_is_said_and_nothing_has_run(user: OrdinaryUser) -> None:
    done = run(user, "prlimit", "--nproc=1:1", user.gotrace, "build", "--backend", "ptrace", "--", "touch", "has-run")
    assert done.returncode == 125
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("gotrace: error: ")
    assert not (user.home / "has-run").exists()


# --- root ------------------------------------------------------------------------------------------------------------


def test_traced_by_root_a_set_user_id_program_keeps_its_privilege(
    user: OrdinaryUser, set_user_id: str, tmp_path: Path
) -> None:
    recording = tmp_path / "by-root.gotrace"
    command = [
        str(GOTRACE),
        "build",
        "--backend",
        "ptrace",
        "-o",
        str(recording),
        "--",
        *user.run_as(set_user_id, "-u"),
    ]
    env = {name: value for name, value in os.environ.items() if not name.startswith("SUDO_")}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr
    assert [one.suppressed for one in executions(recording, "id-of-root")] == [False]


def test_traced_by_root_a_command_becomes_a_user_by_su(user: OrdinaryUser, tmp_path: Path) -> None:
    command = [str(GOTRACE), "build", "--backend", "ptrace", "--", "su", user.name, "-c", "id -u; exit 5"]
    env = {name: value for name, value in os.environ.items() if not name.startswith("SUDO_")}
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (5, f"{user.uid}\n"), done.stderr
    assert nothing_lost(done.stderr)
