"""The process connector of the real kernel: exact counts, whatever else runs on the machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gotrace.capture.run import record
from gotrace.events.model import Exec, Exit, Lost
from gotrace.sources.base import Target
from gotrace.sources.netlink import NetlinkSource
from gotrace.sources.netlink.connector import Connector
from gotrace.sources.netlink.messages import Ended
from tests.integration.conftest import ROOT
from tests.integration.observing import Observed, observe

PROGRAMS = Path(__file__).parent / "programs"

TINY, TINY_TIMES = 16384, 200
"""Bytes for a queue, and programs of which each makes three messages: far more than it holds."""

LEADER_GOES_FIRST = r"""
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
static void *last(void *unused) { usleep(200000); exit(7); return unused; }
int main(void) {
    pthread_t thread;
    pthread_create(&thread, NULL, last, NULL);
    pthread_exit(NULL);
}
"""


@pytest.fixture(autouse=True)
def _connector() -> None:
    for lack in NetlinkSource().missing():
        pytest.skip(f"the process connector does not work here: {lack.what}")


@pytest.fixture
def noise() -> Iterator[None]:
    """Processes that come and go and are none of ours."""
    quiet = threading.Event()

    def make() -> None:
        while not quiet.is_set():
            subprocess.run(["/bin/sh", "-c", "/bin/true; exit 77"], check=False)

    thread = threading.Thread(target=make)
    thread.start()
    yield
    quiet.set()
    thread.join()


def built(folder: Path, source: str | Path) -> str:
    """A C program, from its text or its file."""
    program = folder / "program"
    text = source.read_text() if isinstance(source, Path) else source
    subprocess.run(["gcc", "-O1", "-pthread", "-x", "c", "-o", program, "-"], input=text, text=True, check=True)
    return str(program)


def watched(*argv: str, env: dict[str, str] | None = None) -> Observed:
    """A run from which no message is missing; a command line may be, of a program that ends at once."""
    seen = observe(argv, source=NetlinkSource(), env=env)
    assert {one.what for one in seen.lost} <= {"exec"}
    assert sum(one.count for one in seen.lost) == sum(event.argv is None for event in seen.execs())
    return seen


@pytest.mark.usefixtures("noise")
def test_forks_execs_and_exits_of_a_script_are_counted_exactly() -> None:
    script = "for i in 1 2 3; do /bin/sleep 0.01; done; (exit 3); sh -c 'kill -9 $$'; exec /bin/sh -c 'exit 5'"
    seen = watched("/bin/sh", "-c", script)

    assert seen.wait_status == 5 << 8
    # Three times sleep, a subshell, and the shell that kills itself; the last one takes the first one's place.
    assert len(seen.forks()) == 5
    assert len(seen.execs()) == 6
    assert Counter((e.status, e.signal) for e in seen.exits()) == {
        (0, None): 3,
        (3, None): 1,
        (None, signal.SIGKILL): 1,
        (5, None): 1,
    }
    assert [e.pid for e in seen.exits()][-1] == seen.pid
    assert {e.child_pid for e in seen.forks()} | {seen.pid} == {e.pid for e in seen.exits()}
    assert [e.ts_ns for e in seen.events] == sorted({e.ts_ns for e in seen.events})


@pytest.mark.usefixtures("noise")
def test_two_thousand_children_are_two_thousand_forks_and_exits(tmp_path: Path) -> None:
    seen = watched(built(tmp_path, PROGRAMS / "many_children.c"), "2000")

    assert len(seen.forks()) == 2000
    assert len(seen.execs()) == 1
    assert Counter(e.status for e in seen.exits()) == Counter([*(i & 127 for i in range(2000)), 0])


def test_times_are_those_of_the_monotonic_clock() -> None:
    before = time.monotonic_ns()
    seen = watched("/bin/sleep", "0.1")
    after = time.monotonic_ns()

    first, last = seen.events
    assert before < first.ts_ns < last.ts_ns < after
    assert last.ts_ns - first.ts_ns >= 90_000_000


def test_arguments_environment_and_folder_of_an_exec(tmp_path: Path) -> None:
    folder = tmp_path / "a b"
    folder.mkdir()
    inner = ["/bin/sh", "-c", f"/bin/sleep 0.5; cd '{folder}' && exec sleep 0.3 0.2"]

    seen = watched(*inner, env={"CC": "gcc", "PATH": "/nowhere:/bin", "ODD": "\udcff\\"})

    shell, _, last = seen.execs()
    assert (shell.path, shell.argv) == ("/bin/sh", tuple(inner))
    assert (last.path, last.argv, last.cwd) == ("/bin/sleep", ("sleep", "0.3", "0.2"), str(folder))
    assert last.env is not None
    assert (last.env["CC"], last.env["ODD"]) == ("gcc", "\\xff\\\\")


def test_an_exec_by_another_thread_is_one_of_the_process(tmp_path: Path) -> None:
    seen = watched(built(tmp_path, PROGRAMS / "thread_exec.c"), "/bin/sleep", "0.5")

    assert [(type(e), e.pid) for e in seen.events] == [(Exec, seen.pid), (Exec, seen.pid), (Exit, seen.pid)]
    assert seen.execs()[1].argv == ("/bin/sleep", "0.5")
    assert seen.exits()[0].status == 0


def test_a_process_ends_with_its_last_thread(tmp_path: Path) -> None:
    seen = watched(built(tmp_path, LEADER_GOES_FIRST))

    (end,) = seen.exits()
    assert seen.wait_status == 7 << 8
    assert (end.status, end.signal) == (7, None)
    assert end.tid != seen.pid
    assert end.ts_ns - seen.events[0].ts_ns >= 190_000_000


def test_a_process_that_outlives_the_command_is_not_waited_for(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    began = time.monotonic()
    seen = watched("/bin/sh", "-c", f"/bin/sleep 600 & echo $! > '{pid_file}'")
    took = time.monotonic() - began
    os.kill(int(pid_file.read_text()), signal.SIGKILL)

    assert took < 300
    assert len(seen.forks()) == 1
    assert [e.pid for e in seen.exits()] == [seen.pid]


def test_a_queue_that_was_full_is_told_and_heard_again() -> None:
    connector = Connector(receive_bytes=TINY)
    try:
        assert connector.acknowledged(60) == 0
        for _ in range(TINY_TIMES):
            subprocess.run(["/bin/true"], check=True)
        arrived = connector.drain()
        with subprocess.Popen(["/bin/true"]) as process:
            pass
        ended: set[int] = set()
        deadline = time.monotonic() + 60
        while process.pid not in ended and time.monotonic() < deadline:
            ended |= {message.pid for message in connector.drain() if isinstance(message, Ended)}
    finally:
        connector.close()

    assert len(arrived) < TINY_TIMES
    assert connector.missed.total > 0
    assert process.pid in ended


def test_a_command_that_does_not_present_itself_is_told() -> None:
    with NetlinkSource().open(Target(4711)) as capture:
        capture.attach()
        subprocess.run(["/bin/true"], check=True)
        lost, _ = capture.stop()
        assert list(capture.batches()) == []
    (one,) = lost
    assert "never seen" in one.reason


def test_a_recording_holds_what_is_known_and_says_what_is_not(tmp_path: Path) -> None:
    recorded = record(["/bin/sh", "-c", "/bin/sleep 0.5; exit 4"], source=NetlinkSource(), cwd=str(tmp_path))

    assert (recorded.outcome.exit, recorded.header.source) == (4, "netlink")
    assert {"execs", "from_start"} <= set(recorded.header.observes) <= {"execs", "from_start", "probed"}
    assert any("command lines" in sentence for sentence in recorded.header.degraded)
    execs = [event for event in recorded.events if isinstance(event, Exec)]
    assert [event.path for event in execs] == ["/bin/sh", "/bin/sleep"]
    assert {event.cwd for event in execs} == {str(tmp_path)}
    assert not [event for event in recorded.events if isinstance(event, Lost)]


SEEN_FROM_OUTSIDE = """
import json
from gotrace.host.kernel import effective_capabilities
from gotrace.sources.netlink import NetlinkSource
from tests.integration.observing import observe

lacks = [lack._asdict() for lack in NetlinkSource().missing()]
seen = None if lacks else observe(["/bin/sh", "-c", "/bin/sleep 0.5; exit 4"], source=NetlinkSource())
print(json.dumps({
    "lacks": lacks,
    "capabilities": sorted(effective_capabilities(open("/proc/self/status").read())),
    "argv": seen and [event.argv for event in seen.execs()],
    "exits": seen and [event.status for event in seen.exits()],
}))
"""


def in_another_place(*prefix: str) -> dict[str, Any]:
    """What a gotrace says that was started in a namespace, or with less rights."""
    done = subprocess.run(
        [*prefix, sys.executable, "-c", SEEN_FROM_OUTSIDE],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    if done.returncode and "unshare" in done.stderr:
        pytest.skip(f"no such namespace can be made here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.fixture
def _root() -> None:
    if os.geteuid():
        pytest.skip("needs root")


@pytest.mark.usefixtures("_root")
def test_network_administration_is_right_enough() -> None:
    """What is left where neither eBPF nor ptrace is allowed."""
    answer = in_another_place("setpriv", "--bounding-set=-all,+net_admin", "--inh-caps=-all", "--no-new-privs")

    assert answer["capabilities"] == []
    assert answer["lacks"] == []
    assert answer["argv"] == [["/bin/sh", "-c", "/bin/sleep 0.5; exit 4"], ["/bin/sleep", "0.5"]]
    assert answer["exits"] == [0, 4]


@pytest.mark.usefixtures("_root")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--net"], "a network namespace"),
        (["--pid", "--fork", "--mount-proc"], "a PID namespace"),
        (["--user", "--map-root-user"], "a user namespace"),
    ],
)
def test_in_a_namespace_it_is_said_which(options: list[str], words: str) -> None:
    (lack,) = in_another_place("unshare", *options)["lacks"]
    assert words in lack["what"]
    assert lack["remedy"]
    assert lack["fatal"]


def test_the_command_goes_on_where_gotrace_is_killed(tmp_path: Path) -> None:
    began, ended = tmp_path / "began", tmp_path / "ended"
    script = f"touch '{began}'; /bin/sleep 0.5; /bin/true; touch '{ended}'"
    program = f"""
from gotrace.sources.netlink import NetlinkSource
from tests.integration.observing import observe
observe(["/bin/sh", "-c", {script!r}], source=NetlinkSource())
"""
    observer = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT)
    wait_for(began)
    observer.kill()
    observer.wait()
    wait_for(ended)


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 120
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} did not come"
        time.sleep(0.01)
