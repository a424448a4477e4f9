"""`gotrace build` on a terminal: keys reach the command once, a shell's job control works, and the report comes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import GOTRACE
from tests.integration.terminal import INTERRUPT, SUSPEND, Terminal
from tests.integration.watching import command_line, marked, nothing_stopped, processes_of, status_of, wait_for

SIGNALS = Path(__file__).parent / "programs" / "signals.py"


@pytest.fixture
def env(build_env: dict[str, str], tmp_path: Path, backend: str) -> dict[str, str]:
    mine = {name: value for name, value in build_env.items() if not name.startswith("SUDO_")}
    ours = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "GOTRACE_BACKEND": backend}
    return marked(mine | ours | {"PS1": "shell> ", "HISTFILE": ""})


@pytest.fixture
def gotrace(privileges: tuple[str, ...], backend: str) -> list[str]:
    return [str(GOTRACE), "build", *(privileges if backend == "ebpf" else ()), "--"]


@pytest.fixture
def shell(env: dict[str, str], tmp_path: Path) -> Iterator[Terminal]:
    """An interactive bash."""
    with Terminal(["bash", "--norc", "--noprofile", "-i"], env, cwd=tmp_path) as terminal:
        terminal.wait("shell> ")
        yield terminal


@pytest.fixture
def drawn_on(env: dict[str, str]) -> dict[str, str]:
    """The same outside of a CI, whose log nobody draws on."""
    return {name: value for name, value in env.items() if name != "CI"}


def words(log: Path) -> list[str]:
    return log.read_text().split() if log.exists() else []


def the_one(env: dict[str, str], text: str) -> int:
    """The process whose command line ends so."""
    return wait_for(lambda: next((pid for pid in processes_of(env) if command_line(pid).endswith(text)), 0))


def gotraces(env: dict[str, str]) -> list[int]:
    return [pid for pid in processes_of(env) if f"{GOTRACE} build" in command_line(pid)]


def test_the_command_sees_the_terminal(gotrace: list[str], env: dict[str, str], tmp_path: Path) -> None:
    question = ["sh", "-c", "test -t 0 && test -t 1 && test -t 2 && tty && stty size"]
    with Terminal([*gotrace, *question], env, cwd=tmp_path, rows=33, columns=101) as terminal:
        assert terminal.end() == 0
        lines = terminal.shown.splitlines()
    assert lines[0].startswith("/dev/")
    assert lines[1] == "33 101"


def test_what_is_typed_is_read_by_the_command(gotrace: list[str], env: dict[str, str], tmp_path: Path) -> None:
    with Terminal([*gotrace, "sh", "-c", 'read -r line; echo "read: <$line>"'], env, cwd=tmp_path) as terminal:
        terminal.press("hello\n")
        terminal.wait("read: <hello>\n")
        assert terminal.end() == 0


def test_ctrl_c_reaches_the_command_once_and_gotrace_reports(
    gotrace: list[str], env: dict[str, str], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with Terminal([*gotrace, sys.executable, str(SIGNALS), str(log)], env, cwd=tmp_path) as terminal:
        terminal.wait("ready")
        terminal.press(INTERRUPT)
        wait_for(lambda: "SIGINT" in words(log))
        # gotrace passes signals on in their order: had it passed on the ^C too, that would have come before this one.
        terminal.process.send_signal(signal.SIGUSR1)
        assert terminal.end() == 7
    assert words(log) == ["ready", "SIGINT", "SIGUSR1"]
    assert "exit status 7" in terminal.shown


def test_ctrl_c_that_kills_the_command_kills_gotrace_after_its_report(
    gotrace: list[str], env: dict[str, str], tmp_path: Path
) -> None:
    with Terminal([*gotrace, "sh", "-c", "echo runs; exec sleep 1000"], env, cwd=tmp_path) as terminal:
        terminal.wait("runs")
        terminal.press(INTERRUPT)
        assert terminal.end() == -signal.SIGINT
    assert "gotrace: " in terminal.shown
    assert "Traceback" not in terminal.shown


def test_ctrl_z_stops_the_job_and_fg_goes_on_with_it(
    shell: Terminal, gotrace: list[str], env: dict[str, str], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    shell.press(f"{' '.join(gotrace)} {sys.executable} {SIGNALS} {log}; echo status $?\n")
    wait_for(lambda: "ready" in words(log))
    command = the_one(env, str(log))
    shell.press(SUSPEND)
    shell.wait("Stopped")
    assert status_of(command)["State"].startswith(("T", "t"))
    shell.press("fg\n")
    wait_for(lambda: "SIGCONT" in words(log))
    wait_for(lambda: nothing_stopped(processes_of(env)))
    os.kill(command, signal.SIGUSR1)
    shell.wait("shell> ", times=3)
    assert "exit status 7" in shell.shown
    assert words(log) == ["ready", "SIGCONT", "SIGUSR1"]


def test_a_stopped_job_goes_on_in_the_background(
    shell: Terminal, gotrace: list[str], env: dict[str, str], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    shell.press(f"{' '.join(gotrace)} {sys.executable} {SIGNALS} {log}\n")
    wait_for(lambda: "ready" in words(log))
    command = the_one(env, str(log))
    shell.press(SUSPEND)
    shell.wait("Stopped")
    shell.press("bg\n")
    wait_for(lambda: "SIGCONT" in words(log))
    os.kill(command, signal.SIGUSR1)
    shell.press("wait; echo waited\n")
    shell.wait("\nwaited\n")
    assert "exit status 7" in shell.shown


def test_a_background_job_has_its_status(shell: Terminal, gotrace: list[str]) -> None:
    shell.press(f"{' '.join(gotrace)} sh -c 'exit 4' &\n")
    shell.press("wait $!; echo status $?\n")
    shell.wait("\nstatus 4\n")


def test_a_background_job_that_reads_is_stopped_until_it_may(
    shell: Terminal, gotrace: list[str], env: dict[str, str]
) -> None:
    shell.press(f"{' '.join(gotrace)} sh -c 'read -r line; echo got $line' &\n")
    wait_for(lambda: any(status_of(pid).get("State", "").startswith("T") for pid in gotraces(env)))
    shell.press("\n")
    shell.wait("Stopped")
    shell.press("fg\n")
    wait_for(lambda: nothing_stopped(processes_of(env)))
    shell.press("hello\n")
    shell.wait("\ngot hello\n")


def test_the_terminal_of_a_program_is_left_alone(gotrace: list[str], drawn_on: dict[str, str], tmp_path: Path) -> None:
    run = ["run" if word == "build" else word for word in gotrace]
    with Terminal([*run, "sleep", "1.5"], drawn_on, cwd=tmp_path, kind="xterm") as terminal:
        assert terminal.end() == 0
    assert "\x1b[1;" not in terminal.shown, "a scrolling region"
    assert "\x1b7" not in terminal.shown
    assert "packages" not in terminal.shown


def test_a_build_that_is_silent_has_a_line_of_progress(
    gotrace: list[str], drawn_on: dict[str, str], tmp_path: Path
) -> None:
    with Terminal([*gotrace, "sleep", "1.5"], drawn_on, cwd=tmp_path, kind="xterm") as terminal:
        assert terminal.end() == 0
    assert "\x1b[1;29r" in terminal.shown
