"""gotrace as acts start it, forked from one that is loaded: it behaves as if it had been executed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gotrace.capture.procstat import state
from gotrace.scenario import enter, warm
from gotrace.scenario.environments import space
from gotrace.scenario.plan import Plan
from tests.integration.watching import wait_for

RUN = ("run", "--backend", "ptrace", "--no-color", "-q", "--")
PATH = {"PATH": os.environ["PATH"], "HOME": "/"}
HERE = Plan()


@pytest.fixture
def gotrace(tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Runs it; its status and all that was printed."""

    def run(
        *arguments: str, plan: Plan = HERE, env: dict[str, str] | None = None, seconds: float = 60
    ) -> tuple[int, str]:
        printed = tmp_path / f"printed-{threading.get_ident()}"
        with printed.open("wb") as stream:
            status = warm.run(
                arguments,
                plan=plan, folder=tmp_path, env={**PATH, **(env or {})}, output=stream.fileno(), seconds=seconds,
            )  # fmt: skip
        return status, printed.read_text(errors="backslashreplace")

    return run


def test_it_is_gotrace(gotrace: Callable[..., tuple[int, str]]) -> None:
    status, printed = gotrace("--version")
    assert status == 0
    assert printed.startswith("gotrace ")


def test_bad_usage_is_told_as_ever(gotrace: Callable[..., tuple[int, str]]) -> None:
    status, printed = gotrace("run", "--no-such-option")
    assert status == 125
    assert "--no-such-option" in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize(("script", "status"), [("exit 7", 7), ("kill -9 $$", -9), ("kill -INT $$", -2)])
def test_it_ends_as_the_command_did(gotrace: Callable[..., tuple[int, str]], script: str, status: int) -> None:
    assert gotrace(*RUN, "sh", "-c", script)[0] == status


def test_the_command_gets_the_environment_and_nothing_else(
    gotrace: Callable[..., tuple[int, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_WHO_STARTS", "1")
    odd = os.fsdecode(b"\xff")
    status, printed = gotrace(*RUN, "sh", "-c", "env; pwd -P; ls /proc/self/fd; cat", env={"ODD": odd})
    assert status == 0
    assert "OF_WHO_STARTS" not in printed
    assert "ODD=\\xff\n" in printed
    assert f"\n{tmp_path.resolve()}\n" in printed
    assert printed.split("\n")[-5:-1] == ["0", "1", "2", "3"]  # the last is the folder that ls reads


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGCHLD])
def test_signals_are_as_they_were(gotrace: Callable[..., tuple[int, str]], number: signal.Signals) -> None:
    script = "grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status"
    executed = subprocess.run(
        [sys.executable, "-m", "gotrace", *RUN, "sh", "-c", script],
        capture_output=True, text=True, check=True, env=PATH,
    )  # fmt: skip
    mask = 1 << (number - 1)
    seen = [
        [int(line.split()[1], 16) & mask for line in printed.splitlines() if line.startswith("Sig")]
        for printed in (executed.stdout, gotrace(*RUN, "sh", "-c", script)[1])
    ]
    assert seen[0] == seen[1]
    assert len(seen[0]) == 3


_GIVEN: list[tuple[str, dict[str, Any], str]] = [
    ("mount", {"hide": ["gcc"], "texts": {"$WORK/told": "changed"}}, "cat told; command -v gcc || echo no gcc"),
    ("netns", {}, "tail -n +3 /proc/net/dev | wc -l; cat /etc/resolv.conf"),
    ("seccomp", {"errno": {"io_uring_setup": "EPERM"}}, "grep -E 'Seccomp:|NoNewPrivs' /proc/self/status"),
    ("overlay", {"texts": {"/etc/gotrace-was-here": "yes"}}, "cat /etc/gotrace-was-here"),
]


@pytest.mark.root("others take a user namespace, and an execve(2) in it")
@pytest.mark.parametrize(("kind", "settings", "script"), _GIVEN, ids=[kind for kind, _, _ in _GIVEN])
def test_it_goes_into_an_environment_first(
    gotrace: Callable[..., tuple[int, str]], tmp_path: Path, kind: str, settings: dict[str, Any], script: str
) -> None:
    plan = space(kind).plan(settings, tmp_path)
    assert enter.by_itself(plan)
    command = (*RUN, "sh", "-c", f"{script}; pwd -P; grep ^Cap /proc/self/status; env | sort | grep -v ^_=")
    english = {"LC_ALL": "C"}
    executed = subprocess.run(
        [*plan.program(), sys.executable, "-m", "gotrace", *command],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True, env=PATH | english, cwd=tmp_path,
    )  # fmt: skip
    assert gotrace(*command, plan=plan, env=english) == (0, executed.stdout)
    assert not Path("/etc/gotrace-was-here").exists()


@pytest.mark.root("others take a user namespace, and an execve(2) in it")
def test_an_environment_that_cannot_be_had_is_told(gotrace: Callable[..., tuple[int, str]]) -> None:
    assert gotrace(*RUN, "true", plan=Plan(mount=True, hide=["/no/such/file"])) == (
        125,
        "gotrace: this environment cannot be set up: there is no /no/such/file that could be hidden\n",
    )


def test_many_at_a_time(gotrace: Callable[..., tuple[int, str]]) -> None:
    with ThreadPoolExecutor(4) as pool:
        told = pool.map(lambda status: gotrace(*RUN, "sh", "-c", f"exit {status}")[0], range(1, 13))
        assert list(told) == list(range(1, 13))


def test_one_that_takes_too_long_is_ended(gotrace: Callable[..., tuple[int, str]]) -> None:
    with pytest.raises(TimeoutError, match="it took more than 1 s"):
        gotrace(*RUN, "sleep", "5", seconds=1)  # it goes on, and ends by itself


def test_it_can_be_sent_away(gotrace: Callable[..., tuple[int, str]]) -> None:
    for _ in range(2):
        assert gotrace(*RUN, "true")[0] == 0
        before = set(children(os.getpid()))
        warm.end()
        assert len(before - set(children(os.getpid()))) == 1


_CALLER = """
import os, sys
from pathlib import Path
from gotrace.scenario import warm
print(warm.run(sys.argv[1:], folder=Path("/"), env=dict(os.environ), output=2, seconds=60), flush=True)
"""


def caller(*command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _CALLER, *RUN, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def children(pid: int) -> list[int]:
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def test_a_signal_for_our_children_reaches_it() -> None:
    """`gotrace scenario verify` ends its children so, when somebody ends it (gotrace.cli.scenarios.stopping)."""
    with caller("sh", "-c", "echo on its way >&2; exec sleep 600") as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "on its way\n"
        (server,) = children(process.pid)
        os.kill(server, signal.SIGTERM)
        assert process.stdout is not None
        assert process.stdout.readline() == "-15\n"
    assert process.returncode == 0


def test_it_goes_with_whoever_started_it_and_what_runs_goes_on() -> None:
    with caller("sh", "-c", "echo $$ >&2; exec sleep 600") as process:
        assert process.stderr is not None
        running = int(process.stderr.readline())
        (server,) = children(process.pid)
        process.kill()
        wait_for(lambda: state(server) in ("", "Z", "X"))
        assert state(running) not in ("", "Z", "X")
        os.kill(running, signal.SIGKILL)


def test_where_it_was_killed_another_takes_its_place() -> None:
    program = _CALLER + (
        "os.kill(int(open(f'/proc/self/task/{os.getpid()}/children').read()), 9)\n"
        "import time; time.sleep(0.2)\n"
        "print(warm.run(sys.argv[1:], folder=Path('/'), env=dict(os.environ), output=2, seconds=60))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *RUN, "sh", "-c", "exit 5"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "5\n5\n"
