"""Under `gotrace build` a command runs as it would without: what it is given, what it gives, how it ends.

Each test runs the same thing bare and traced, or says what the bare one does. The terminal is in test_terminal.py.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.integration.conftest import GOTRACE
from tests.integration.projects import go_module
from tests.integration.watching import Running, wait_for

SIGNALS = Path(__file__).parent / "programs" / "signals.py"

Done = subprocess.CompletedProcess[bytes]
Run = Callable[..., Done]


@pytest.fixture
def env(build_env: dict[str, str], tmp_path: Path, backend: str) -> dict[str, str]:
    """As build_env, with nothing of a sudo that started the tests."""
    mine = {name: value for name, value in build_env.items() if not name.startswith("SUDO_")}
    return mine | {"XDG_CACHE_HOME": str(tmp_path / "cache"), "GOTRACE_BACKEND": backend}


@pytest.fixture
def gotrace(privileges: tuple[str, ...], backend: str) -> list[str]:
    """The words in front of a command."""
    return [str(GOTRACE), "build", *(privileges if backend == "ebpf" else ()), "--"]


@pytest.fixture
def both(gotrace: list[str], env: dict[str, str], tmp_path: Path) -> Callable[..., tuple[Done, Done]]:
    """Runs a command bare and traced."""

    def once(argv: Sequence[str], stdin: bytes, cwd: Path) -> Done:
        return subprocess.run(argv, input=stdin, env=env, cwd=cwd, capture_output=True, timeout=120, check=False)

    def run(*command: str, stdin: bytes = b"", cwd: Path = tmp_path) -> tuple[Done, Done]:
        return once(command, stdin, cwd), once([*gotrace, *command], stdin, cwd)

    return run


Both = Callable[..., tuple[Done, Done]]


# --- what goes in and comes out --------------------------------------------------------------------------------------


def test_stdin_and_stdout_pass_through_byte_by_byte(both: Both) -> None:
    everything = bytes(range(256)) * 4096
    bare, traced = both("cat", stdin=everything)
    assert traced.stdout == bare.stdout == everything


def test_the_report_comes_after_all_that_the_command_said(both: Both) -> None:
    bare, traced = both("sh", "-c", r"printf 'one\n'; printf 'two\033[31m\377\n' >&2; printf three; printf four >&2")
    assert traced.stdout == bare.stdout == b"one\nthree"
    assert bare.stderr == b"two\033[31m\xff\nfour"
    assert traced.stderr.startswith(bare.stderr)
    assert b"gotrace: " in traced.stderr.removeprefix(bare.stderr)


def test_a_failing_build_says_what_it_says_without_gotrace(both: Both, tmp_path: Path) -> None:
    folder = go_module(tmp_path / "broken", {"main.go": "package main\n\nfunc main() { undefined() }\n"})
    bare, traced = both("go", "build", "-o", os.devnull, ".", cwd=folder)
    assert bare.returncode == traced.returncode == 1
    assert traced.stdout == bare.stdout
    assert b"undefined: undefined" in bare.stderr
    assert traced.stderr.startswith(bare.stderr)


def test_an_inherited_descriptor_is_usable(gotrace: list[str], env: dict[str, str], tmp_path: Path) -> None:
    script = 'exec 7>seven; "$@"'
    subprocess.run(
        ["bash", "-c", script, "_", *gotrace, "sh", "-c", "echo through >&7"], env=env, cwd=tmp_path, check=True
    )
    assert (tmp_path / "seven").read_text() == "through\n"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_descriptors_that_are_closed_stay_closed(
    gotrace: list[str], env: dict[str, str], tmp_path: Path, closed: str
) -> None:
    def listed(*around: str) -> tuple[int, str]:
        question = ["sh", "-c", "ls -l /proc/self/fd | sed 's/.*[0-9] //' >list 2>errors; exit 3"]
        outside = ["bash", "-c", f'"$@" {closed}', "_"]
        code = subprocess.run([*outside, *around, *question], env=env, cwd=tmp_path, check=False).returncode
        return code, re.sub(r"\d{2,}", "N", (tmp_path / "list").read_text())

    assert listed(*gotrace) == listed()


# --- how it ends -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [0, 1, 2, 3, 77, 125, 126, 127, 128, 130, 255])
def test_the_exit_status_is_the_commands(both: Both, status: int) -> None:
    bare, traced = both("sh", "-c", f"exit {status}")
    assert traced.returncode == bare.returncode == status


@pytest.mark.parametrize(
    "name", ["SIGHUP", "SIGINT", "SIGABRT", "SIGKILL", "SIGSEGV", "SIGPIPE", "SIGTERM", "SIGRTMIN"]
)
def test_gotrace_dies_of_the_signal_that_killed_the_command(both: Both, name: str) -> None:
    number = signal.Signals[name]
    bare, traced = both("sh", "-c", f"ulimit -c 0; kill -{int(number)} $$")
    assert traced.returncode == bare.returncode == -number
    assert b"gotrace: " in traced.stderr


def test_a_command_that_is_not_there_is_127(gotrace: list[str], env: dict[str, str]) -> None:
    traced = subprocess.run([*gotrace, "no-such-command-anywhere"], env=env, capture_output=True, check=False)
    assert traced.returncode == 127
    assert traced.stderr.startswith(b"gotrace: error: no-such-command-anywhere: ")


def test_a_file_that_cannot_be_executed_is_126(gotrace: list[str], env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("no program\n")
    traced = subprocess.run([*gotrace, "./plain"], env=env, cwd=tmp_path, capture_output=True, check=False)
    assert traced.returncode == 126
    assert b"not executable" in traced.stderr


def test_a_failure_of_gotrace_itself_is_125_and_nothing_has_run(env: dict[str, str], tmp_path: Path) -> None:
    output, sign = str(tmp_path / "missing" / "x.gotrace"), str(tmp_path / "has-run")
    command = [str(GOTRACE), "build", "-o", output, "--", "touch", sign]
    done = subprocess.run(command, env=env, capture_output=True, check=False, timeout=60)
    assert done.returncode == 125
    assert not (tmp_path / "has-run").exists()


def test_a_writer_whose_reader_is_gone_dies_of_sigpipe(gotrace: list[str], env: dict[str, str]) -> None:
    script = '"$@" | head -n 1; echo ${PIPESTATUS[0]}'
    bare = subprocess.run(["bash", "-c", script, "_", "yes"], env=env, capture_output=True, check=True)
    traced = subprocess.run(["bash", "-c", script, "_", *gotrace, "yes"], env=env, capture_output=True, check=True)
    assert traced.stdout == bare.stdout == b"y\n141\n"


# --- what the command finds itself in --------------------------------------------------------------------------------


def test_the_environment_is_the_same_to_the_byte(both: Both, env: dict[str, str]) -> None:
    env |= {"A_STRANGE_ONE": "line\nbreak = \udcff", "EMPTY": ""}
    bare, traced = both("env", "-0")
    assert traced.stdout == bare.stdout
    assert b"A_STRANGE_ONE=line\nbreak = \xff\0EMPTY=\0" in traced.stdout


def test_no_descriptor_is_added(both: Both) -> None:
    bare, traced = both("ls", "/proc/self/fd")
    assert traced.stdout == bare.stdout


def test_the_folder_is_the_same_also_when_it_was_deleted(
    gotrace: list[str], env: dict[str, str], tmp_path: Path
) -> None:
    script = 'mkdir gone; cd gone; rmdir ../gone; "$@"'
    command = ["readlink", "/proc/self/cwd"]
    done = subprocess.run(
        ["bash", "-c", script, "_", *gotrace, *command], env=env, cwd=tmp_path, capture_output=True, check=True
    )
    assert done.stdout == f"{tmp_path}/gone (deleted)\n".encode()


@pytest.mark.parametrize("file", ["limits", "oom_score_adj", "cgroup", "personality", "coredump_filter"])
def test_limits_and_the_like_are_the_same(both: Both, file: str) -> None:
    bare, traced = both("prlimit", "--core=0:0", "--nofile=777", "cat", f"/proc/self/{file}")
    assert (traced.stdout, traced.returncode) == (bare.stdout, 0)


def test_a_limit_set_outside_is_seen_inside(gotrace: list[str], env: dict[str, str], tmp_path: Path) -> None:
    script = 'umask 027; ulimit -n 333; "$@"'
    question = ["sh", "-c", "umask; ulimit -n; nice"]
    outside = ["nice", "-n", "5", "bash", "-c", script, "_"]
    bare = subprocess.run([*outside, *question], env=env, cwd=tmp_path, capture_output=True, check=True)
    traced = subprocess.run([*outside, *gotrace, *question], env=env, cwd=tmp_path, capture_output=True, check=True)
    assert traced.stdout == bare.stdout
    assert traced.stdout.startswith(b"0027\n333\n")


def credentials_and_signals(status: bytes) -> dict[str, str]:
    """What execve(2) hands on, of /proc/self/status: not the numbers of processes, not memory, not the scheduler's.

    Nor that somebody traces it, and how, which a command may ask for.
    """
    own = re.compile(rb"^(?:Pid|Tgid|Ngid|NS|PPid|Vm|Rss|Hugetlb|voluntary|nonvoluntary|FDSize|SigQ|Seccomp|TracerPid)")
    lines = [line for line in status.splitlines() if not own.match(line)]
    return {name: value for name, _, value in (line.decode().partition(":") for line in lines)}


@pytest.mark.parametrize("around", [[], ["nohup"], ["env", "--block-signal=USR1"], ["env", "--ignore-signal=INT,CHLD"]])
def test_users_signals_and_capabilities_are_the_same(
    gotrace: list[str], env: dict[str, str], around: list[str]
) -> None:
    question = ["cat", "/proc/self/status"]
    bare = subprocess.run([*around, *question], env=env, capture_output=True, check=True)
    traced = subprocess.run([*around, *gotrace, *question], env=env, capture_output=True, check=True)
    expected = credentials_and_signals(bare.stdout)
    if env["GOTRACE_BACKEND"] == "ptrace" and os.geteuid() != 0:
        expected["NoNewPrivs"] = "\t1"  # what an ordinary user's seccomp filter takes (seccomp(2)); gotrace says so
    assert {"SigBlk", "SigIgn", "SigCgt", "CapEff", "Uid", "Groups", "Umask"} <= expected.keys()
    assert credentials_and_signals(traced.stdout) == expected


def test_group_session_terminal_and_priority_are_the_same(both: Both) -> None:
    bare, traced = both("cat", "/proc/self/stat")

    def place(stat: bytes) -> list[bytes]:
        fields = stat.rpartition(b")")[2].split()
        return [*fields[2:6], *fields[15:17], *fields[37:39]]  # proc(5): pgrp to tpgid, priority and nice, policy

    assert place(traced.stdout) == place(bare.stdout)


# --- signals that others send ----------------------------------------------------------------------------------------


def log_of(run: Running, folder: Path) -> Callable[[str], list[str]]:
    """Waits until the program has noted a word; all that it has noted then."""

    def wait(word: str) -> list[str]:
        def lines() -> list[str]:
            return (folder / "log").read_text().split() if (folder / "log").exists() else []

        return wait_for(lambda: lines() if word in lines() else [])

    return wait


@pytest.fixture
def noting(gotrace: list[str], env: dict[str, str], tmp_path: Path) -> Callable[..., Running]:
    """A traced program that notes which signals it gets; it leads a process group of its own together with gotrace."""

    def start(*around: str) -> Running:
        command = [*around, *gotrace, sys.executable, str(SIGNALS), str(tmp_path / "log")]
        return Running(command, env, own_group=True)

    return start


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR2"])
def test_a_signal_to_gotrace_reaches_the_command_once(
    noting: Callable[..., Running], tmp_path: Path, name: str
) -> None:
    with noting() as run:
        noted = log_of(run, tmp_path)
        noted("ready")
        run.process.send_signal(signal.Signals[name])
        noted(name)
        run.process.send_signal(signal.SIGUSR1)  # signals are passed on in order: what came twice is there by now
        assert noted("SIGUSR1") == ["ready", name, "SIGUSR1"]
        code, _, err = run.end()
    assert code == 7
    assert "gotrace: " in err


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_to_the_whole_group_reaches_the_command_once(
    noting: Callable[..., Running], tmp_path: Path, name: str
) -> None:
    """As a shell's `kill %1` and timeout(1) send it. Afterwards one to gotrace alone is passed on as before."""
    with noting() as run:
        noted = log_of(run, tmp_path)
        noted("ready")
        os.killpg(run.process.pid, signal.Signals[name])
        noted(name)
        run.process.send_signal(signal.SIGUSR2)
        assert noted("SIGUSR2") == ["ready", name, "SIGUSR2"]
        run.process.send_signal(signal.Signals[name])
        wait_for(lambda: noted(name).count(name) == 2)
        run.process.send_signal(signal.SIGUSR1)
        assert run.end()[0] == 7


def test_a_signal_to_the_group_that_the_command_has_left_is_passed_on(
    gotrace: list[str], env: dict[str, str], tmp_path: Path
) -> None:
    command = ["setsid", sys.executable, str(SIGNALS), str(tmp_path / "log")]
    with Running([*gotrace, *command], env, own_group=True) as run:
        noted = log_of(run, tmp_path)
        noted("ready")
        os.killpg(run.process.pid, signal.SIGTERM)
        assert noted("SIGTERM") == ["ready", "SIGTERM"]
        run.process.send_signal(signal.SIGUSR1)
        assert run.end(30)[0] == 7


def test_what_nohup_keeps_away_does_not_end_gotrace_either(noting: Callable[..., Running], tmp_path: Path) -> None:
    with noting("nohup") as run:
        noted = log_of(run, tmp_path)
        noted("ready")
        run.process.send_signal(signal.SIGHUP)
        run.process.send_signal(signal.SIGUSR1)
        assert noted("SIGUSR1") == ["ready", "SIGUSR1"]
        assert run.end()[0] == 7
