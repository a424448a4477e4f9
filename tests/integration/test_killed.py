"""Whatever part of gotrace is killed: the build goes on to its end, and nothing of gotrace stays behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.integration.conftest import GOTRACE
from tests.integration.projects import go_module
from tests.integration.watching import (
    Running,
    command_line,
    nothing_loaded_of,
    nothing_stopped,
    programs_of,
    status_of,
    wait_for,
)

pytestmark = pytest.mark.root("only root sees what the kernel holds")

BUILD = "touch begun; while [ ! -e go-on ]; do sleep 0.05; done; go build -o app . && touch finished"
"""A build that waits in its middle until the test has done its deed."""


@pytest.fixture
def env(build_env: dict[str, str], tmp_path: Path) -> dict[str, str]:
    mine = {name: value for name, value in build_env.items() if not name.startswith("SUDO_")}
    return mine | {"XDG_CACHE_HOME": str(tmp_path / "cache")}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return go_module(tmp_path / "project", {"main.go": 'package main\n\nfunc main() { println("built") }\n'})


def in_the_middle(project: Path, env: dict[str, str], *options: str) -> Running:
    """A traced build that has begun."""
    run = Running([GOTRACE, "build", *options, "--", "sh", "-c", BUILD], env, cwd=project)
    wait_for((project / "begun").exists)
    return run


def go_on(project: Path) -> None:
    (project / "go-on").touch()


def gotraces(run: Running) -> list[int]:
    """Processes of the run that are gotrace's own: itself, its collector, its witness (a cat)."""
    return [pid for pid in run.processes() if "gotrace" in command_line(pid) or command_line(pid) == "cat"]


def assert_built(project: Path) -> None:
    wait_for((project / "finished").exists)
    done = subprocess.run([project / "app"], capture_output=True, text=True, check=True)
    assert done.stderr == "built\n"


# --- gotrace itself --------------------------------------------------------------------------------------------------


def test_the_build_outlives_gotrace(project: Path, env: dict[str, str]) -> None:
    with in_the_middle(project, env) as run:
        run.process.kill()
        run.process.wait()
        go_on(project)
        assert_built(project)
        wait_for(lambda: not run.processes())


def test_nothing_of_gotrace_stays(project: Path, env: dict[str, str]) -> None:
    with in_the_middle(project, env) as run:
        programs = programs_of(run.collector())
        assert len(programs) == 4
        assert len(gotraces(run)) == 3
        run.process.kill()
        run.process.wait()
        wait_for(lambda: not gotraces(run))
        wait_for(lambda: nothing_loaded_of(programs))
        assert run.processes(), "the build still runs, for it waits for us"
        assert nothing_stopped(run.processes())


def test_what_was_seen_until_then_can_be_reported(project: Path, env: dict[str, str], tmp_path: Path) -> None:
    with in_the_middle(project, env) as run:
        spools = tmp_path / "cache" / "gotrace" / "spool"
        wait_for(lambda: b'"touch","begun"' in b"".join(file.read_bytes() for file in spools.iterdir()))
        run.process.kill()
        run.process.wait()
    (spool,) = spools.iterdir()
    assert spool.stat().st_mode & 0o777 == 0o600
    report = tmp_path / "report.json"
    done = subprocess.run(
        [GOTRACE, "report", spool, "--format", "json", "-o", report],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in {0, 2}, done.stderr
    assert "Traceback" not in done.stderr
    told = json.loads(report.read_text())
    assert told["command"]["argv"] == ["sh", "-c", BUILD]
    assert told["command"]["exit"] is None
    assert told["counts"]["execs"] >= 2


def test_killed_with_its_whole_group_nothing_stays_either(project: Path, env: dict[str, str]) -> None:
    command = [str(GOTRACE), "build", "--", "sh", "-c", BUILD]
    with Running(command, env, cwd=project, own_group=True) as run:
        wait_for((project / "begun").exists)
        programs = programs_of(run.collector())
        os.killpg(run.process.pid, signal.SIGKILL)
        run.process.wait()
        wait_for(lambda: not run.processes())
        wait_for(lambda: nothing_loaded_of(programs))


# --- the collector ---------------------------------------------------------------------------------------------------


def test_without_its_collector_gotrace_says_from_when_on_nothing_was_seen(
    project: Path, env: dict[str, str], tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    with in_the_middle(project, env, "--report", f"json:{report}") as run:
        collector = run.collector()
        programs = programs_of(collector)
        os.kill(collector, signal.SIGKILL)
        wait_for(lambda: nothing_loaded_of(programs))
        go_on(project)
        code, _, err = run.end()
        assert_built(project)
    told = json.loads(report.read_text())
    assert code == 0, err
    assert " ".join(err.split()).count("the collector ended before the command: from then on nothing was seen") == 1
    assert any("the collector ended" in one for one in told["degraded"])
    assert any("the collector ended" in one["reason"] for one in told["lost"])
    assert told["command"]["exit"] == 0


def test_the_builds_own_status_comes_through_all_the_same(project: Path, env: dict[str, str]) -> None:
    (project / "main.go").write_text("package main\n\nfunc main() { undefined() }\n")
    with in_the_middle(project, env) as run:
        os.kill(run.collector(), signal.SIGKILL)
        go_on(project)
        code, _, err = run.end()
    assert code == 1
    assert "undefined: undefined" in err


# --- before the gate opens -------------------------------------------------------------------------------------------


@pytest.fixture
def endless_compile(tmp_path: Path) -> tuple[list[str], Path]:
    """What to put in front so that no cached probes are found and their compilation does not end; and how it ends.

    The kernel's types are a pipe to which nobody writes, in a mount namespace of its own.
    """
    pipe = tmp_path / "never"
    os.mkfifo(pipe)
    mounts = f'mount -t tmpfs none /var/cache && mount --bind {pipe} /sys/kernel/btf/vmlinux && exec "$@"'
    return ["unshare", "-m", "sh", "-c", mounts, "_"], pipe


def ended_the_compilation(pipe: Path) -> bool:
    """If it has begun, let it see the end of the file; True."""
    with contextlib.suppress(OSError):
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
    return True


def child_at_the_gate(run: Running) -> int:
    """The only child of gotrace, which has not become the command yet."""

    def find() -> int:
        children = [pid for pid in run.processes() if status_of(pid).get("PPid") == str(run.process.pid)]
        waiting = [pid for pid in children if "S" in status_of(pid).get("State", "")]
        return waiting[0] if len(waiting) == 1 else 0

    return wait_for(find)


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGINT", "SIGHUP"])
def test_ended_before_it_began_the_command_never_runs_and_nobody_waits(
    endless_compile: tuple[list[str], Path], project: Path, env: dict[str, str], name: str
) -> None:
    around, pipe = endless_compile
    with Running([*around, str(GOTRACE), "build", "--", "touch", "has-run"], env, cwd=project) as run:
        waiting = child_at_the_gate(run)
        run.process.send_signal(signal.Signals[name])
        run.process.wait(timeout=30)
        wait_for(lambda: not status_of(waiting))
        wait_for(lambda: ended_the_compilation(pipe) and not run.processes())
        _, err = run.process.communicate()
    assert not (project / "has-run").exists()
    assert b"Traceback" not in err


def test_a_command_killed_from_outside_is_told_as_killed(project: Path, env: dict[str, str]) -> None:
    with in_the_middle(project, env) as run:
        os.kill(run.command("sh -c"), signal.SIGKILL)
        code, _, err = run.end()
    assert code == -signal.SIGKILL
    assert "gotrace: " in err
