"""The tracer of the ptrace source is a process of its own: who survives whom, and that nothing is left in the end."""

from __future__ import annotations

import json
import os
import pty
import shlex
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.hostile.watched import compiled
from tests.integration.conftest import GOTRACE
from tests.integration.projects import go_module
from tests.integration.watching import (
    Running,
    nothing_stopped,
    processes_of,
    status_of,
    wait_for,
)

BUILD = "touch begun; while [ ! -e go-on ]; do sleep 0.05; done; go build -o app . && touch finished"
"""A build that waits in its middle until the test has done its deed."""
DAEMON = "while [ ! -e go-on ]; do sleep 0.05; done; cat there missing >seen 2>errors; touch done"


@pytest.fixture
def env(build_env: dict[str, str], tmp_path: Path, warm_cache: Path) -> dict[str, str]:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    mine = {name: value for name, value in build_env.items() if not name.startswith("SUDO_")}
    folders = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "TMPDIR": str(temporary), "GOCACHE": str(warm_cache)}
    return mine | folders | {"GOTRACE_BACKEND": "ptrace"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return go_module(tmp_path / "project", {"main.go": 'package main\n\nfunc main() { println("built") }\n'})


def in_the_middle(project: Path, env: dict[str, str], *options: str) -> Running:
    """A traced build that has begun."""
    run = Running([GOTRACE, "build", *options, "--", "sh", "-c", BUILD], env, cwd=project)
    wait_for((project / "begun").exists)
    return run


def named(name: str, run: Running) -> list[int]:
    """Living processes of a run that are called so."""
    found = {pid: status_of(pid) for pid in run.processes()}
    return [pid for pid, status in found.items() if status.get("Name") == name]


def tracer_of(run: Running) -> int:
    """The process that traces the command."""
    (tracer,) = wait_for(lambda: named("ptrace-keeper", run))
    return tracer


def assert_built(project: Path) -> None:
    wait_for((project / "finished").exists)
    done = subprocess.run([project / "app"], capture_output=True, text=True, check=True)
    assert done.stderr == "built\n"


def left_by(env: dict[str, str]) -> list[Path]:
    """Files that are there, but should not be."""
    return [*Path(env["TMPDIR"]).iterdir(), *Path(env["XDG_CACHE_HOME"]).rglob("*.spool")]


# --- gotrace is killed -----------------------------------------------------------------------------------------------


def test_the_build_outlives_gotrace_and_the_tracer_the_build(project: Path, env: dict[str, str]) -> None:
    with in_the_middle(project, env) as run:
        tracer = tracer_of(run)
        run.process.kill()
        run.process.wait()
        # Not at each moment: it still stops at each look-up, for as long as the tracer takes.
        wait_for(lambda: nothing_stopped([pid for pid in run.processes() if pid != tracer]))
        (project / "go-on").touch()
        assert_built(project)
        wait_for(lambda: not run.processes())
        wait_for(lambda: status_of(tracer).get("State", "Z").startswith("Z"))


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_that_is_meant_for_the_command_ends_all(project: Path, env: dict[str, str], name: str) -> None:
    with in_the_middle(project, env) as run:
        run.process.send_signal(signal.Signals[name])
        code, _, err = run.end()
        wait_for(lambda: not run.processes())
    assert code == -signal.Signals[name]
    assert "Traceback" not in err
    assert left_by(env) == []


# --- the tracer is killed --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["build", "run"])
def test_the_death_of_the_tracer_ends_the_command_at_once_and_cleanly(
    how: str, env: dict[str, str], tmp_path: Path
) -> None:
    """No process gets to see ENOSYS, which a filtered call returns without its tracer."""
    report = tmp_path / "report.json"
    command = [str(GOTRACE), how, "--report", f"json:{report}", "--", compiled("enosys", tmp_path)]
    with Running(command, env) as run:
        wait_for(lambda: len(named("enosys", run)) == 5)
        os.kill(tracer_of(run), signal.SIGKILL)
        began = time.monotonic()
        wait_for(lambda: not named("enosys", run))
        took = time.monotonic() - began
        code, out, err = run.end()
        wait_for(lambda: not run.processes())
    assert set(out.split("\n")) <= {"here", ""}
    assert code == -signal.SIGKILL
    assert "the tracer was killed" in " ".join(err.split())
    assert took < 10, "it takes some milliseconds"
    assert any("the tracer was killed" in one["reason"] for one in json.loads(report.read_text())["lost"])


def test_no_other_signal_to_the_tracer_means_anything(project: Path, env: dict[str, str]) -> None:
    ending = {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, signal.SIGABRT, signal.SIGTRAP}
    faults = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSYS}
    with in_the_middle(project, env) as run:
        tracer = tracer_of(run)
        for number in sorted(signal.valid_signals() - ending - faults):
            os.kill(tracer, number)
        (project / "go-on").touch()
        code, _, err = run.end()
        assert_built(project)
    assert code == 0, err
    assert "nothing lost" in " ".join(err.split())


# --- the command leaves somebody behind ------------------------------------------------------------------------------


def test_a_daemon_works_on_and_the_tracer_stays_with_it_without_a_word(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "there").write_text("text\n")
    report = tmp_path / "report.json"
    script = f"setsid -f sh -c {shlex.quote(DAEMON)} >/dev/null 2>&1 </dev/null; exit 3"
    with Running([GOTRACE, "build", "--report", f"json:{report}", "--", "sh", "-c", script], env, cwd=tmp_path) as run:
        tracer = tracer_of(run)
        code, _, err = run.end()  # reads until nobody has the other ends of its stdout and stderr
        assert code == 3
        assert "still ran when the command ended" in " ".join(err.split())
        held = {str(file.readlink()) for file in Path(f"/proc/{tracer}/fd").iterdir()}
        assert {one for one in held if not one.startswith(("/dev/null", "socket:", "/proc/"))} == set()
        before = cpu_ticks(tracer)
        time.sleep(1)
        assert cpu_ticks(tracer) - before <= 20
        (tmp_path / "go-on").touch()
        wait_for((tmp_path / "done").exists)
        wait_for(lambda: not run.processes())
    assert (tmp_path / "seen").read_text() == "text\n"
    assert (tmp_path / "errors").read_text() == "cat: missing: No such file or directory\n"
    assert not status_of(tracer).get("State", "Z").startswith(("T", "t", "S", "R"))
    assert left_by(env) == []


def cpu_ticks(pid: int) -> int:
    """User and system time of a process, in hundredths of a second."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_a_job_in_the_background_that_holds_the_output_open(env: dict[str, str], tmp_path: Path) -> None:
    """As without gotrace, a reader of the output waits for it; the tracer does not make that longer."""
    script = "(while [ ! -e go-on ]; do sleep 0.05; done; echo late) & echo early"
    with Running([GOTRACE, "build", "-q", "--", "sh", "-c", script], env, cwd=tmp_path) as run:
        assert run.process.wait(60) == 0, "gotrace itself does not wait"
        (tmp_path / "go-on").touch()
        assert run.end()[1] == "early\nlate\n"
        wait_for(lambda: not run.processes())


def test_a_window_that_is_closed(env: dict[str, str], tmp_path: Path) -> None:
    """The terminal hangs up: who wants to know it does, the others end, and the tracer after them."""
    ours, theirs = pty.openpty()
    script = "trap 'touch hung-up; exit 4' HUP; touch begun; while :; do sleep 0.05; done"
    variables = env | {"LC_GOTRACE_TEST": f"window-{os.getpid()}"}
    command = subprocess.Popen(
        ["setsid", "-c", GOTRACE, "build", "--", "sh", "-c", script],
        env=variables, cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    wait_for((tmp_path / "begun").exists)
    os.close(ours)
    command.wait(60)
    wait_for((tmp_path / "hung-up").exists)
    wait_for(lambda: not processes_of(variables))
    assert left_by(env) == []
