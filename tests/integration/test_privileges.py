"""Who runs as what: only the collector is root, and root's power serves nobody but the user who called."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import GOTRACE
from tests.integration.ordinary_user import Done, OrdinaryUser, may_use_sudo, ordinary_user, run
from tests.integration.terminal import INTERRUPT, Terminal
from tests.integration.watching import (
    Running,
    command_line,
    marked,
    nothing_lost,
    nothing_stopped,
    processes_of,
    status_of,
    wait_for,
)

pytestmark = pytest.mark.root("only root can make a user to try it with")


@pytest.fixture(scope="module")
def user() -> Iterator[OrdinaryUser]:
    with ordinary_user() as somebody:
        yield somebody


@pytest.fixture
def sudoer(user: OrdinaryUser) -> Iterator[OrdinaryUser]:
    with may_use_sudo(user):
        yield user


def by_root(*command: str | Path, cwd: Path) -> Done:
    env = {name: value for name, value in os.environ.items() if not name.startswith("SUDO_")}
    return subprocess.run(
        [str(word) for word in command], env=env, cwd=cwd, capture_output=True, text=True, check=False, timeout=120
    )


def identity(user: OrdinaryUser) -> list[str]:
    """What `id -u; id -g; id -G; echo $HOME $USER` prints for them."""
    return run(user, "sh", "-c", "id -u; id -g; id -G; echo $HOME $USER").stdout.splitlines()


def assert_theirs_alone(file: Path, user: OrdinaryUser) -> None:
    found = file.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (user.uid, user.gid, 0o600)


WHO = ("sh", "-c", "id -u; id -g; id -G; echo $HOME $USER")


# --- sudo gotrace build ----------------------------------------------------------------------------------------------


def test_below_sudo_the_command_is_the_users(sudoer: OrdinaryUser) -> None:
    done = run(sudoer, "sudo", "-n", sudoer.gotrace, "build", "-o", "mine.gotrace", "--", *WHO)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == identity(sudoer)
    assert_theirs_alone(sudoer.home / "mine.gotrace", sudoer)


def test_below_sudo_all_that_go_leaves_is_the_users(sudoer: OrdinaryUser) -> None:
    go = shutil.which("go")
    assert go, "`make setup` installs go"
    shutil.rmtree(sudoer.home / ".cache", ignore_errors=True)
    done = run(sudoer, "sudo", "-n", sudoer.gotrace, "build", "--", go, "build", "unicode")
    assert done.returncode == 0, done.stderr
    cache = sudoer.home / ".cache"
    assert {path.owner() for path in [cache, *cache.rglob("*")]} == {sudoer.name}
    assert any((cache / "go-build").rglob("*-d"))


def test_what_sudo_removed_is_named(sudoer: OrdinaryUser) -> None:
    env = sudoer.environment(CC="clang", GOFLAGS="-mod=mod")
    done = run(sudoer, "sudo", "-n", sudoer.gotrace, "build", "--", "env", env=env)
    assert "CC=" not in done.stdout
    (line,) = [line for line in done.stderr.splitlines() if "sudo removed" in line]
    assert {"CC", "GOFLAGS"} <= set(line.replace(",", "").split())
    assert "clang" not in line
    assert "--sudo" in line


def test_nothing_of_sudo_is_in_the_commands_environment(sudoer: OrdinaryUser) -> None:
    done = run(sudoer, "sudo", "-n", sudoer.gotrace, "build", "--", "env")
    assert not [line for line in done.stdout.splitlines() if line.startswith("SUDO_")]


def test_a_command_that_secure_path_hides_names_the_way_out(sudoer: OrdinaryUser) -> None:
    sudoer.file("bin/go-of-mine", "#!/bin/sh\necho ran\n", 0o755)
    done = run(sudoer, "sudo", "-n", sudoer.gotrace, "build", "--", "go-of-mine", "build")
    assert done.returncode == 127
    assert done.stderr.startswith("gotrace: error: go-of-mine: not found in the PATH that sudo sets (secure_path)")
    assert "gotrace build --sudo -- go-of-mine build" in done.stderr


# --- gotrace build --sudo --------------------------------------------------------------------------------------------


def test_with_the_option_only_the_collector_is_root(sudoer: OrdinaryUser) -> None:
    sign = sudoer.home / "go-on"
    sign.unlink(missing_ok=True)
    command = ["sh", "-c", "touch begun; while [ ! -e go-on ]; do sleep 0.05; done"]
    with Running(
        [sudoer.gotrace, "build", "--sudo", "-o", "own.gotrace", "--", *command],
        sudoer.environment(),
        cwd=sudoer.home,
        user=sudoer.name,
    ) as running:
        wait_for((sudoer.home / "begun").exists)
        collector = running.collector()
        everyone = {pid: status_of(pid) for pid in running.processes() if command_line(pid)}
        sign.touch()
        code, _, err = running.end()
    assert code == 0, err
    users = {pid: status["Uid"].split() for pid, status in everyone.items() if status}
    assert users.pop(collector) == ["0"] * 4
    assert running.process.pid in users
    assert len(users) >= 2
    assert all(ids == [str(sudoer.uid)] * 4 for ids in users.values()), users
    assert {int(everyone[pid]["CapEff"], 16) for pid in users} == {0}
    assert_theirs_alone(sudoer.home / "own.gotrace", sudoer)


def test_with_the_option_the_environment_is_untouched(sudoer: OrdinaryUser) -> None:
    env = sudoer.environment(CC="clang", GOFLAGS="-mod=mod")
    bare = run(sudoer, "env", "-0", env=env)
    traced = run(sudoer, sudoer.gotrace, "build", "--sudo", "--", "env", "-0", env=env)
    assert traced.stdout == bare.stdout
    assert "sudo removed" not in traced.stderr


def test_a_long_path_of_temporary_files_is_no_obstacle(sudoer: OrdinaryUser) -> None:
    folder = sudoer.file(f"{'long-' * 20}/{'name-' * 20}/file", "").parent
    command = ["sh", "-c", "echo $TMPDIR"]
    env = sudoer.environment(TMPDIR=str(folder))
    done = run(sudoer, sudoer.gotrace, "build", "--sudo", "--", *command, env=env)
    assert (done.returncode, done.stdout) == (0, f"{folder}\n"), done.stderr
    assert [file.name for file in folder.iterdir()] == ["file"]


def test_sudo_leaves_the_terminal_as_it_was(sudoer: OrdinaryUser) -> None:
    """While it runs, sudo may change the terminal's mode (use_pty); the command finds it as the shell left it."""
    env = marked(sudoer.environment(PS1="shell> ", HISTFILE=""))
    script = f"echo 1:$(stty -g); {sudoer.gotrace} build --sudo -- sh -c 'echo 2:$(stty -g)'; echo 3:$(stty -g)"
    with Terminal(sudoer.run_as("bash", "--norc", "--noprofile", "-c", script), env, cwd=sudoer.home) as terminal:
        assert terminal.end() == 0
        modes = {line[0]: line[2:] for line in terminal.shown.splitlines() if line[:2] in {"1:", "2:", "3:"}}
    assert modes.keys() == {"1", "2", "3"}
    assert len(set(modes.values())) == 1


def test_ctrl_c_with_a_collector_from_sudo(sudoer: OrdinaryUser) -> None:
    env = marked(sudoer.environment())
    command = sudoer.run_as(sudoer.gotrace, "build", "--sudo", "--", "sh", "-c", "echo runs; exec sleep 1000")
    with Terminal(command, env, cwd=sudoer.home) as terminal:
        terminal.wait("runs")
        terminal.press(INTERRUPT)
        assert terminal.end() == -signal.SIGINT
    assert nothing_lost(terminal.shown), "the collector is no part of the job, and outlives the ^C"


def test_without_the_right_to_use_sudo_nothing_runs(user: OrdinaryUser) -> None:
    done = run(user, user.gotrace, "build", "--sudo", "--", "touch", "has-run")
    assert done.returncode == 125
    assert "gotrace: error: sudo did not start the collector" in done.stderr
    assert not (user.home / "has-run").exists()


def test_without_any_privilege_the_error_names_the_option(user: OrdinaryUser) -> None:
    done = run(user, user.gotrace, "build", "--backend", "ebpf", "--", "touch", "has-run")
    assert done.returncode == 125
    assert len(done.stderr.splitlines()) == 2
    assert "--sudo" in done.stderr
    assert not (user.home / "has-run").exists()


@pytest.fixture
def asked(user: OrdinaryUser) -> Iterator[tuple[Terminal, dict[str, str]]]:
    """A user's shell in which gotrace was started, and sudo asks for the password; and the marked environment."""
    env = marked(user.environment(PS1="shell> ", HISTFILE=""))
    shell = user.run_as("bash", "--norc", "--noprofile", "-i")
    with may_use_sudo(user, "ALL=(ALL) ALL"), Terminal(shell, env, cwd=user.home) as terminal:
        terminal.wait("shell> ")
        terminal.press(f"{user.gotrace} build --sudo -- touch has-run\n")
        terminal.wait("password for")
        # Between its question and its read(2) sudo takes a signal without waking up.
        wait_for(lambda: any(sleeps(pid) for pid in processes_of(env) if "/sudo -- " in command_line(pid)))
        yield terminal, env
    assert not (user.home / "has-run").exists()
    assert "Traceback" not in terminal.shown


def sleeps(pid: int) -> bool:
    return status_of(pid).get("State", "").startswith("S")


def gotraces(env: dict[str, str]) -> list[int]:
    """gotrace and the child that waits at the gate; not sudo."""
    return sorted(pid for pid in processes_of(env) if "gotrace build" in command_line(pid))


def test_ctrl_c_while_sudo_asks_leaves_nothing(asked: tuple[Terminal, dict[str, str]]) -> None:
    terminal, env = asked
    terminal.press(INTERRUPT)
    terminal.wait("shell> ", times=2)
    wait_for(lambda: [pid for pid in processes_of(env) if command_line(pid)] == [terminal.process.pid])


def test_killed_while_sudo_asks_no_process_of_gotrace_stays(asked: tuple[Terminal, dict[str, str]]) -> None:
    """sudo itself goes on asking, as it does whenever its parent is killed: it takes no signal of ours."""
    terminal, env = asked
    gotrace, at_the_gate = gotraces(env)
    os.kill(gotrace, signal.SIGKILL)
    terminal.wait("shell> ", times=2)
    wait_for(lambda: not status_of(at_the_gate))
    assert gotraces(env) == []
    assert nothing_stopped(processes_of(env))


def test_a_program_that_is_refused_something_below_sudo_is_told_not_to_be_roots(sudoer: OrdinaryUser) -> None:
    told = f"gotrace: it ran as {sudoer.name}, who called sudo; `gotrace run --user root` runs it as root\n"
    asked = ["--", "sh", "-c", "cat /etc/shadow || exit 3"]
    done = run(sudoer, "sudo", "-n", sudoer.gotrace, "run", *asked)
    assert (done.returncode, told in done.stderr) == (3, True), done.stderr
    done = run(sudoer, "sudo", "-n", sudoer.gotrace, "run", "--user", "root", *asked)
    assert (done.returncode, told in done.stderr) == (0, False), done.stderr


def test_gotrace_whose_python_the_user_may_not_read_works_below_sudo(sudoer: OrdinaryUser) -> None:
    """The tests' own: it may lie below /root. All of it is loaded before it becomes the user."""
    done = run(sudoer, "sudo", "-n", GOTRACE, "build", "-o", "far.gotrace", "--", *WHO)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == identity(sudoer)
    assert_theirs_alone(sudoer.home / "far.gotrace", sudoer)


# --- as root ---------------------------------------------------------------------------------------------------------


def test_root_can_name_the_user(user: OrdinaryUser, tmp_path: Path) -> None:
    done = by_root(user.gotrace, "build", "--user", user.name, "--", *WHO, cwd=user.home)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == identity(user)


def test_a_user_who_does_not_exist(user: OrdinaryUser, tmp_path: Path) -> None:
    done = by_root(user.gotrace, "build", "--user", "nobody-of-that-name", "--", "touch", "has-run", cwd=tmp_path)
    assert done.returncode == 125
    assert "no such user" in done.stderr
    assert not (tmp_path / "has-run").exists()


def test_only_root_can_name_a_user(user: OrdinaryUser) -> None:
    done = run(user, user.gotrace, "build", "--user", pwd.getpwuid(0).pw_name, "--", "id")
    assert done.returncode == 125
    assert "only root" in done.stderr


@pytest.mark.parametrize(
    "made",
    [
        "mkdir -m 777 /var/cache/gotrace",
        "mkdir -m 700 /var/cache/gotrace && chown nobody /var/cache/gotrace",
        "mkdir -m 700 /var/cache/elsewhere && ln -s elsewhere /var/cache/gotrace",
        "touch /var/cache/gotrace",
    ],
)
def test_a_cache_that_is_not_roots_alone_is_not_used(user: OrdinaryUser, tmp_path: Path, made: str) -> None:
    script = f'mount -t tmpfs none /var/cache; {made}; "$@" || exit; find -L /var/cache/gotrace -type f -size +0 >found'
    around = ["unshare", "-m", "sh", "-c", script, "_"]
    done = by_root(*around, user.gotrace, "build", "--", "echo", "works", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "works\n"), done.stderr
    assert (tmp_path / "found").read_text() == ""


def test_roots_own_cache_is_used(user: OrdinaryUser, tmp_path: Path) -> None:
    script = 'mount -t tmpfs none /var/cache; "$@" || exit; find /var/cache/gotrace -type f -size +0 -printf "%u %m\n"'
    around = ["unshare", "-m", "sh", "-c", script, "_"]
    done = by_root(*around, user.gotrace, "build", "--", "true", cwd=tmp_path)
    assert done.stdout == f"{pwd.getpwuid(0).pw_name} 600\n", done.stderr
