"""What `gotrace attach` says where it cannot attach: each time its own words, and exit status 2."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.attaching import Attached
from tests.integration.conftest import GOTRACE
from tests.integration.ordinary_user import OrdinaryUser, may_use_sudo, ordinary_user, run
from tests.integration.watching import status_of, wait_for

pytestmark = pytest.mark.root("only root can make a user, and attach by eBPF")


@pytest.fixture(scope="module")
def user() -> Iterator[OrdinaryUser]:
    with ordinary_user() as somebody:
        yield somebody


@pytest.fixture
def sleeper() -> Iterator[int]:
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process.pid
        process.kill()


def refused(*arguments: str | int) -> str:
    done = subprocess.run([GOTRACE, "attach", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("gotrace: error: ")
    assert "Traceback" not in done.stderr
    return " ".join(done.stderr.split())


def test_no_process_or_more_than_one_way_to_name_it() -> None:
    assert "say which process is meant" in refused()
    assert "give one of them" in refused("--name", "sleep", 1)


def test_a_process_that_is_gone(backend: str) -> None:
    with subprocess.Popen(["true"]) as gone:
        pass
    assert f"there is no process {gone.pid}" in refused(gone.pid, "--backend", backend)


def test_gotrace_itself() -> None:
    done = subprocess.run(["sh", "-c", f"exec {GOTRACE} attach $$"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "is gotrace itself" in done.stderr


def test_the_process_connector_cannot_attach(sleeper: int) -> None:
    assert "the process connector cannot attach" in refused(sleeper, "--backend", "netlink")


def test_a_process_of_somebody_else(user: OrdinaryUser, sleeper: int) -> None:
    for options in (["--backend", "ptrace"], ["--backend", "auto"]):
        done = run(user, user.gotrace, "attach", str(sleeper), *options)
        assert done.returncode == 2
        assert f"process {sleeper} (sleep) belongs to root, not to {user.name}" in done.stderr
        assert f"sudo gotrace attach {sleeper}" in done.stderr


def test_the_collector_does_not_attach_for_a_user_to_what_is_not_theirs(user: OrdinaryUser, sleeper: int) -> None:
    """Whoever may start the collector gets no more by it than they may see: even where gotrace itself does not ask."""
    asks = (
        "import secrets, sys\n"
        "from gotrace.sources.base import Target\n"
        "from gotrace.sources.ebpf.source import EbpfSource\n"
        "target = Target(secrets.randbits(63) + 1, running=True, pid=int(sys.argv[1]))\n"
        "with EbpfSource().open(target, sudo=True) as capture:\n"
        "    capture.attach()\n"
    )
    script = user.file("asks.py", asks)
    with may_use_sudo(user):
        done = run(user, user.gotrace.parent / "python", script, str(sleeper))
    assert done.returncode != 0
    assert f"process {sleeper} belongs to another user" in done.stderr


def test_a_process_of_ones_own_by_sudo_and_without(user: OrdinaryUser, tmp_path: Path) -> None:
    with subprocess.Popen(user.run_as("sleep", "600")) as mine:
        wait_for(lambda: status_of(mine.pid).get("Name") == "sleep")
        with may_use_sudo(user):
            by_sudo = run(user, user.gotrace, "attach", "--sudo", "--duration", "0.2", str(mine.pid))
        alone = run(user, user.gotrace, "attach", "--duration", "0.2", str(mine.pid))
        mine.kill()
    assert (by_sudo.returncode, alone.returncode) == (0, 0), by_sudo.stderr + alone.stderr
    for done in (by_sudo, alone):
        assert f"process {mine.pid} was watched, which runs on" in " ".join(done.stderr.split())
    assert "watched by ptrace, not eBPF" in " ".join(alone.stderr.split())


TRACES = """\
import sys, time
from gotrace.sources.ptrace.requests import seize_without_ending_it
assert seize_without_ending_it(int(sys.argv[1])) == 0
print(flush=True)
input()
"""


def test_a_process_that_is_traced_already(sleeper: int, tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", TRACES, str(sleeper)], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as tracer:
        assert tracer.stdout is not None
        assert tracer.stdout.readline() == b"\n"
        said = refused(sleeper, "--backend", "ptrace")
        assert f"process {sleeper} (sleep) is traced by process {tracer.pid} (python" in said
        assert f"sudo gotrace attach --backend ebpf {sleeper}" in said
        with Attached(tmp_path, sleeper, "--backend", "ebpf") as attached:
            assert attached.stop().exit == 0


def test_a_program_that_is_not_of_go_is_attached_to_with_a_note(sleeper: int, tmp_path: Path, backend: str) -> None:
    with Attached(tmp_path, sleeper, "--backend", backend) as attached:
        told = attached.stop()
    assert told.exit == 0
    assert any("is no Go program" in sentence for sentence in told.header.degraded)
