"""Watching a process that runs: how it ends, and what the recording says, with a source that tells made-up things."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gotrace.capture.attach import attach
from gotrace.capture.run import Recorded
from gotrace.errors import UsageError
from gotrace.events.model import Event, Exec, Exit, Fork, Library, SyscallError
from tests.unit.capture.test_run import FakeCapture, FakeObserver, FakeSource, fact


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"], env={"PATH": os.environ["PATH"], "API_TOKEN": "hunter2"}) as process:
        yield process
        process.kill()


def attached(pid: int, capture: FakeCapture | None = None, **options: Any) -> Recorded:
    return attach(pid, source=FakeSource(capture or FakeCapture()), probe=False, **{"seconds": 0.1, **options})


def test_it_ends_after_a_time_and_the_process_runs_on(sleeper: subprocess.Popen[bytes]) -> None:
    capture = FakeCapture()
    recorded = attached(sleeper.pid, capture)

    assert capture.used == ["enter", "attach", "stop", "exit"]
    assert capture.target is not None
    assert (capture.target.pid, capture.target.running) == (sleeper.pid, True)
    assert recorded.outcome[:2] == (None, None)
    assert 0.1 <= recorded.outcome.seconds < 60
    assert fact(recorded, "command")["exit"] is None
    assert (recorded.header.attached, recorded.header.argv) == (sleeper.pid, ("sleep", "600"))
    assert sleeper.poll() is None


def test_what_takes_time_is_done_before_it_is_watched(sleeper: subprocess.Popen[bytes]) -> None:
    capture = FakeCapture()
    attached(
        sleeper.pid,
        capture,
        meanwhile=lambda: capture.used.append("meanwhile"),
        attached=lambda: capture.used.append("attached"),
    )

    assert capture.used == ["enter", "attach", "meanwhile", "attached", "stop", "exit"]


def test_what_was_there_is_told_before_everything_else(sleeper: subprocess.Popen[bytes]) -> None:
    recorded = attached(sleeper.pid)

    image, *libraries = [event for event in recorded.events if isinstance(event, Exec | Library)]
    assert isinstance(image, Exec)
    assert Path(image.path).name in ("sleep", "coreutils", "busybox")
    assert image.argv == ("sleep", "600")
    assert image.cwd == str(Path.cwd())
    assert image.env is not None
    assert "PATH" in image.env
    assert "hunter2" not in str(recorded)
    names = {Path(event.path).name for event in libraries if isinstance(event, Library)}
    assert "[vdso]" in names
    assert {event.ts_ns for event in (image, *libraries)} == {recorded.header.started_ns}


def test_a_family_is_told_with_its_forks() -> None:
    with subprocess.Popen(["sh", "-c", "sleep 600 & echo $!; wait"], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        capture = FakeCapture()
        capture.followed = (parent.pid, child)
        recorded = attached(parent.pid, capture)
        os.kill(child, signal.SIGKILL)

    assert [(event.pid, event.child_pid) for event in recorded.events if isinstance(event, Fork)] == [
        (parent.pid, child)
    ]
    assert [event.pid for event in recorded.events if isinstance(event, Exec)] == [parent.pid, child]


def test_it_ends_with_the_process(sleeper: subprocess.Popen[bytes]) -> None:
    end = Exit(ts_ns=1 << 62, pid=sleeper.pid, signal=9)
    capture = FakeCapture(live=[end])
    capture.while_running = sleeper.kill
    recorded = attached(sleeper.pid, capture, seconds=None)

    assert recorded.outcome[:2] == (None, 9)
    assert fact(recorded, "command")["signal"] == 9


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it(sleeper: subprocess.Popen[bytes], number: signal.Signals) -> None:
    before = signal.getsignal(number)
    recorded = attached(sleeper.pid, seconds=None, attached=lambda: os.kill(os.getpid(), number))

    assert recorded.outcome.exit is None
    assert signal.getsignal(number) is before


def test_in_another_thread_only_time_ends_it(sleeper: subprocess.Popen[bytes]) -> None:
    recorded: list[Recorded] = []
    thread = threading.Thread(target=lambda: recorded.append(attached(sleeper.pid)))
    thread.start()
    thread.join()
    assert recorded[0].header.attached == sleeper.pid


def test_failing_calls_are_shown_as_they_come(sleeper: subprocess.Popen[bytes]) -> None:
    call = SyscallError(ts_ns=5, pid=sleeper.pid, syscall="openat", errno=2, paths=("/x",))
    shown: list[Event] = []
    observer = FakeObserver()
    recorded = attached(
        sleeper.pid, FakeCapture(bulk=[call]), observer=observer, failing=lambda events: shown.extend(events or ())
    )

    assert shown == [call]
    assert observer.told[-1] == "ended"
    assert [event.paths for event in recorded.events if isinstance(event, SyscallError)] == [("/x",)]


def test_a_process_that_is_gone_is_refused() -> None:
    with subprocess.Popen(["true"]) as gone:
        pass
    with pytest.raises(UsageError, match="there is no process"):
        attached(gone.pid)
