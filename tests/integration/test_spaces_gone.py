"""Nothing of an environment is left when the programs in it have ended, however they end; and gotrace works inside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gotrace.events.model import Exec
from gotrace.events.recording import read_recording
from gotrace.scenario import suites
from gotrace.scenario.loader import ScenarioError
from tests.integration.spaces import Who, needed_by, somebody

FULL = {"tmpfs": {"$WORK/small": "1m"}, "readonly": ["$WORK/fixed"], "hide": ["/usr/bin/as"]}
REPORT = "readlink /proc/self/ns/mnt /proc/self/ns/net /proc/self/ns/user; echo ready; exec sleep 600"
PATIENCE_S = 60


@pytest.fixture(scope="module", params=["root", "ordinary"])
def who(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Who]:
    """Who enters."""
    with somebody(request.param, tmp_path_factory) as found:
        yield found


def namespaces() -> dict[str, set[int]]:
    """Namespace -> the processes in it."""
    found: dict[str, set[int]] = {}
    for process in Path("/proc").glob("[0-9]*"):
        for name in ("mnt", "net", "user"):
            try:
                found.setdefault(str((process / "ns" / name).readlink()), set()).add(int(process.name))
            except OSError:  # it has ended, or is a zombie
                continue
    return found


def start(who: Who, kind: str, settings: dict[str, object]) -> tuple[subprocess.Popen[str], set[str]]:
    """A program that sleeps inside, in a process group of its own, and the namespaces that are new with it."""
    # A background job of a shell ignores SIGINT, and so would all it starts.
    words = who.command("env", "--default-signal=INT", *who.prefix(kind, settings), "sh", "-c", REPORT)
    process = subprocess.Popen(
        words,
        cwd=who.work,
        env=who.environment(),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    lines = [line.strip() for line in iter(process.stdout.readline, "ready\n")]
    return process, {line for line in lines if line} - namespaces_of_this_process()


def namespaces_of_this_process() -> set[str]:
    """Those that tests run in."""
    return {str(Path("/proc/self/ns", name).readlink()) for name in ("mnt", "net", "user")}


@pytest.mark.parametrize(("kind", "settings"), [("mount", FULL), ("netns", {})])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_after_a_signal(who: Who, kind: str, settings: dict[str, object], how: signal.Signals) -> None:
    before = Path("/proc/self/mountinfo").read_text()
    process, made = start(who, kind, settings)
    assert made
    assert any(process.pid in members for name, members in namespaces().items() if name in made)
    os.killpg(process.pid, how)
    assert process.wait(PATIENCE_S) == -how
    assert made.isdisjoint(namespaces())
    assert str(who.work) not in Path("/proc/self/mountinfo").read_text().replace(before, "")


def test_a_process_that_outlives_the_program_keeps_the_environment_as_long_as_it_lives(who: Who) -> None:
    waiting = "while [ ! -e end ]; do sleep 0.1; done"
    line = f"(readlink /proc/self/ns/mnt; : > small/here; echo ready; {waiting}; cat small/here; echo still > out) &"
    process = subprocess.Popen(
        who.command(*who.prefix("mount", FULL), "sh", "-c", line),
        cwd=who.work, env=who.environment(), stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    made, _ = (process.stdout.readline() for _ in range(2))
    assert process.wait(PATIENCE_S) == 0
    assert made.strip() in namespaces()
    (who.work / "end").touch()
    assert process.stdout.read() == ""  # until the last process has closed it
    deadline = time.monotonic() + PATIENCE_S
    while made.strip() in namespaces() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert made.strip() not in namespaces()
    assert (who.work / "out").read_text() == "still\n"
    assert list((who.work / "small").iterdir()) == []


def test_killing_the_set_up_leaves_nothing(who: Who) -> None:
    """Wherever it is at that moment: each run is killed a little later."""
    for delay in range(0, 120, 6):
        words = who.command(*who.prefix("mount", FULL), "sleep", "600")
        process = subprocess.Popen(words, cwd=who.work, env=who.environment(), start_new_session=True)
        time.sleep(delay / 1000)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE_S)
    assert str(who.work) not in Path("/proc/self/mountinfo").read_text()
    assert {path.name for path in who.work.iterdir()} <= {"small", "fixed", "end", "out"}
    assert list((who.work / "small").iterdir()) == []


def report_of(who: Who, backend: str, around: list[str], command: list[str]) -> dict[str, object]:
    """The JSON report of a build whose command ends with 3; its recording is `work`/r.gotrace."""
    report, recording = who.work / "r.json", who.work / "r.gotrace"
    words = ["-m", "gotrace", "build", "--backend", backend, "-q", "--report", f"json:{report}", "-o", str(recording)]
    for path in (report, recording):
        path.unlink(missing_ok=True)
    done = who.run(*around, who.python, *words, "--", *command)
    assert done.returncode == 3, done.stderr
    return dict(json.loads(report.read_text()))


@pytest.mark.parametrize(
    ("kind", "settings"), [("mount", {"hide": ["/usr/bin/as"]}), ("netns", {}), ("rlimit", {"nofile": 64})]
)
def test_gotrace_traces_by_ptrace_inside(who: Who, kind: str, settings: dict[str, object]) -> None:
    told = report_of(who, "ptrace", who.prefix(kind, settings), ["sh", "-c", "as; exit 3"])
    assert told["source"] == "ptrace"


@pytest.mark.parametrize("who", ["root"], indirect=True)
@pytest.mark.parametrize(("kind", "settings"), [("mount", {"hide": ["/usr/bin/as"]}), ("netns", {})])
def test_gotrace_traces_by_ebpf_inside(who: Who, kind: str, settings: dict[str, object]) -> None:
    told = report_of(who, "ebpf", who.prefix(kind, settings), ["sh", "-c", "as; exit 3"])
    assert told["source"] == "ebpf"


def test_gotrace_follows_a_command_into_another_root(who: Who) -> None:
    files = {"/first": "/bin/sh", "/second": "/bin/sh", **needed_by("/bin/sh")}
    inside = who.prefix("scratch", {"files": files})
    told = report_of(who, "ptrace", [], [*inside, "/first", "-c", "/second -c 'exit 3'"])
    assert told["source"] == "ptrace"
    execs = [event for event in read_recording(who.work / "r.gotrace").events if isinstance(event, Exec)]
    assert [event.path for event in execs if not event.error][-2:] == ["/first", "/second"]


SUITE = suites.Suite("bullseye", ("gcc",))


@pytest.fixture
def fetch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """A debootstrap that does what the test says; the folder that roots are kept in."""
    program = tmp_path / "bin/debootstrap"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh -e\necho "$@" >> {tmp_path}/calls\nfor folder in "$@"; do :; done\n{request.param}\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(suites, "_ALL_USERS", tmp_path / "of-root")
    return tmp_path / "cache/gotrace/chroots"


def holds(folder: Path) -> list[str]:
    """What lies there but locks."""
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


@pytest.mark.parametrize("fetch", ['mkdir "$folder/etc" && sleep 0.3 && mount -t tmpfs x "$folder/etc"'], indirect=True)
@pytest.mark.parametrize("who", ["root"], indirect=True)
def test_two_that_want_a_suite_have_it_fetched_once(who: Who, fetch: Path, tmp_path: Path) -> None:
    code = "from gotrace.scenario import suites; print(suites.ready(suites.Suite('bullseye', ('gcc',))))"
    both = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [one.communicate(timeout=PATIENCE_S)[0] for one in both] == [f"{fetch}/bullseye+gcc\n"] * 2
    assert len((tmp_path / "calls").read_text().splitlines()) == 1
    assert holds(fetch) == ["bullseye+gcc"]
    assert str(fetch) not in Path("/proc/self/mountinfo").read_text()
    assert suites.lacks(SUITE) == []


@pytest.mark.parametrize("fetch", ['touch "$folder/part"; echo "E: No such suite"; exit 1'], indirect=True)
def test_a_suite_that_cannot_be_fetched_leaves_nothing(fetch: Path) -> None:
    with pytest.raises(ScenarioError, match="debootstrap cannot fetch bullseye: E: No such suite") as caught:
        suites.ready(SUITE)
    assert caught.value.remedy.startswith("see what it says: debootstrap --variant=minbase --include=gcc bullseye ")
    assert holds(fetch) == []


@pytest.mark.parametrize(
    "fetch", ['echo $$ > "$folder/part"; [ -e "$folder/../../again" ] || exec sleep 600'], indirect=True
)
def test_a_fetch_that_was_killed_is_begun_again(fetch: Path) -> None:
    code = "from gotrace.scenario import suites; print(suites.ready(suites.Suite('bullseye', ('gcc',))))"
    process = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + PATIENCE_S
    while not (begun := list(fetch.glob(".bullseye+gcc-*/part"))) or not begun[0].read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    fetching = int(begun[0].read_text())
    process.kill()
    process.wait(PATIENCE_S)
    while Path(f"/proc/{fetching}/root").exists():  # it dies with the process that started it
        assert time.monotonic() < deadline
        time.sleep(0.02)
    (fetch.parent / "again").touch()
    assert suites.ready(SUITE) == fetch / "bullseye+gcc"
    assert holds(fetch) == ["bullseye+gcc"]
