"""`sudo gotrace` writes and reads files as the user who called sudo: root's power opens no file that is not theirs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.ordinary_user import Done, OrdinaryUser, may_use_sudo, ordinary_user, run
from tests.integration.watching import wait_for

pytestmark = pytest.mark.root("only root can make a user to try it with")


@pytest.fixture(scope="module")
def user() -> Iterator[OrdinaryUser]:
    with ordinary_user() as somebody, may_use_sudo(somebody):
        yield somebody


@pytest.fixture
def roots(user: OrdinaryUser, tmp_path: Path) -> Path:
    """A folder that only root may enter, with a recording and a text in it."""
    folder = tmp_path / "roots"
    folder.mkdir(mode=0o700)
    (folder / "text").write_text("do not touch\n")
    subprocess.run(
        [user.gotrace, "build", "-o", folder / "secret.gotrace", "--", "sh", "-c", "exit 5"],
        env={name: value for name, value in os.environ.items() if not name.startswith("SUDO_")},
        capture_output=True,
        check=False,
    )
    assert (folder / "secret.gotrace").is_file()
    return folder


@pytest.fixture(autouse=True)
def open_folders(tmp_path: Path) -> None:
    """pytest's own folders are closed to others; here only what a test closes shall be."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.name.startswith(("pytest-", "test_")) or folder == tmp_path:
            folder.chmod(0o755)


def sudo_gotrace(user: OrdinaryUser, *arguments: str | Path) -> Done:
    return run(user, "sudo", "-n", user.gotrace, *arguments)


OPTIONS = [("-o", "{}"), ("--report", "json:{}")]


@pytest.mark.parametrize(("option", "value"), OPTIONS)
def test_a_link_to_somebody_elses_file_is_not_followed_into(
    user: OrdinaryUser, tmp_path: Path, option: str, value: str
) -> None:
    victim, link = tmp_path / "victim", user.home / "link"
    victim.write_text("do not touch\n")
    link.unlink(missing_ok=True)
    link.symlink_to(victim)
    done = sudo_gotrace(user, "build", option, value.format(link), "--", "touch", "has-run")
    assert done.returncode == 125
    assert "gotrace: error: " in done.stderr
    assert victim.read_text() == "do not touch\n"
    assert not (user.home / "has-run").exists()


@pytest.mark.parametrize(("option", "value"), OPTIONS)
def test_a_folder_that_only_root_may_enter(user: OrdinaryUser, roots: Path, option: str, value: str) -> None:
    done = sudo_gotrace(user, "build", option, value.format(roots / "new"), "--", "touch", "has-run")
    assert done.returncode == 125
    assert "gotrace: error: " in done.stderr
    assert not (roots / "new").exists()
    assert not (user.home / "has-run").exists()


def test_a_pipe_is_no_place_for_a_recording(user: OrdinaryUser) -> None:
    pipe = user.home / "pipe"
    os.mkfifo(pipe)
    os.chown(pipe, user.uid, user.gid)
    done = sudo_gotrace(user, "build", "-o", pipe, "--", "touch", "has-run")
    assert done.returncode == 125
    assert "not a regular file" in done.stderr
    assert pipe.is_fifo()


def test_a_recording_that_only_root_may_read_is_not_told(user: OrdinaryUser, roots: Path) -> None:
    done = sudo_gotrace(user, "report", roots / "secret.gotrace")
    assert done.returncode == 2
    assert "ermission denied" in done.stderr
    assert done.stdout == ""


def test_a_report_is_not_written_where_only_root_may(user: OrdinaryUser, roots: Path) -> None:
    made = sudo_gotrace(user, "build", "-o", "mine.gotrace", "--", "true")
    assert made.returncode == 0, made.stderr
    done = sudo_gotrace(user, "report", "mine.gotrace", "-o", roots / "text")
    assert done.returncode == 2
    assert "gotrace: error: " in done.stderr
    assert (roots / "text").read_text() == "do not touch\n"


# --- the collector's socket ------------------------------------------------------------------------------------------


def with_sudo_that(user: OrdinaryUser, does: str) -> dict[str, str]:
    """An environment in which `sudo` is a script of the user's."""
    folder = user.file("fake/sudo", f"#!/bin/sh\n{does}\n", 0o755).parent
    env = user.environment()
    return env | {"PATH": f"{folder}:{env['PATH']}"}


def test_a_collector_that_is_not_root_is_not_believed(user: OrdinaryUser) -> None:
    env = with_sudo_that(user, 'shift; exec "$@"')
    done = run(user, user.gotrace, "build", "--sudo", "--", "touch", "has-run", env=env)
    assert done.returncode == 125
    assert "does not run as root" in done.stderr
    assert not (user.home / "has-run").exists()


@pytest.mark.parametrize("status", [0, 1])
def test_a_sudo_that_starts_nothing_is_noticed(user: OrdinaryUser, status: int) -> None:
    env = with_sudo_that(user, f"exit {status}")
    done = run(user, user.gotrace, "build", "--sudo", "--", "touch", "has-run", env=env)
    assert done.returncode == 125
    assert f"sudo did not start the collector (it exited with {status})" in done.stderr


LISTEN = """
import socket, sys
listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
listener.bind(sys.argv[1])
listener.listen(1)
connection, _ = listener.accept()
print(repr(connection.recv(100)), flush=True)
"""


def test_the_collector_serves_nobody_but_the_user_who_called_sudo(user: OrdinaryUser) -> None:
    path = user.home / "socket"
    python = user.gotrace.parent / "python"
    listening = subprocess.Popen(user.run_as(python, "-c", LISTEN, path), stdout=subprocess.PIPE, text=True)
    wait_for(path.is_socket)
    done = subprocess.run(
        [sys.executable, "-c", "from gotrace.sources.ebpf.collector import main; main()", path],
        env=os.environ | {"SUDO_UID": str(user.uid + 1)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    answer, _ = listening.communicate(timeout=60)
    assert done.returncode != 0
    assert "belongs to another user" in done.stderr
    assert answer == "b''\n"


def test_nobody_else_can_reach_the_socket(user: OrdinaryUser) -> None:
    """While sudo asks, gotrace listens in a folder that only its user may enter."""
    env = with_sudo_that(user, 'for last; do :; done; echo "$last" >../socket-path; exec sleep 1000')
    (user.home / "socket-path").unlink(missing_ok=True)
    with subprocess.Popen(
        user.run_as(user.gotrace, "build", "--sudo", "--", "true"),
        env=env,
        cwd=user.home / "fake",
        start_new_session=True,
    ) as waiting:
        try:
            wait_for(lambda: (user.home / "socket-path").exists() and (user.home / "socket-path").read_text())
            path = Path((user.home / "socket-path").read_text().strip())
            assert path.is_socket()
            assert (path.parent.stat().st_mode & 0o777, path.parent.owner()) == (0o700, user.name)
            other = subprocess.run(
                ["setpriv", "--reuid", "nobody", "--clear-groups", "/usr/bin/stat", path],
                capture_output=True,
                check=False,
            )
            assert other.returncode != 0
        finally:
            os.killpg(waiting.pid, 15)
