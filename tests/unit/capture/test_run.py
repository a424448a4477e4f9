"""A whole capture, with real commands and a source that tells what a real one would about them."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import pytest

from gotrace.capture.run import Recorded, record
from gotrace.errors import CaptureError, CommandError
from gotrace.events.facets import Facet
from gotrace.events.model import Event, Exec, Exit, Fact, Fork, Lost, Output, SyscallError
from gotrace.sources.base import Batch, Lack, Target


class FakeCapture:
    """Gives what it was told to give, once the command runs; keeps the order in which it is used."""

    source = "fake"
    decoder_info: Mapping[str, Any] = {"source": "fake"}

    def __init__(self, live: Sequence[Event] = (), bulk: Sequence[Event] = (), lost: Sequence[Lost] = ()) -> None:
        self.observes = frozenset({Facet.EXECS, Facet.FAILED_PATHS})
        self.degraded: tuple[str, ...] = ("no i386 calls here",)
        self.followed: tuple[int, ...] = ()
        self.notes: tuple[str, ...] = ()
        self.used: list[str] = []
        self.target: Target | None = None
        self._events = {b"live": list(live), b"bulk": list(bulk)}
        self._lost = list(lost)
        self._sent: set[bytes] = set()
        self.while_running: Callable[[], None] = lambda: None

    def __enter__(self) -> Self:
        self.used.append("enter")
        return self

    def __exit__(self, *_: object) -> None:
        self.used.append("exit")

    def attach(self, meanwhile: Callable[[], None] | None = None) -> None:
        self.used.append("attach")
        if meanwhile is not None:
            meanwhile()

    def child_hook(self) -> None:
        pass

    def batches(self) -> Iterator[Batch]:
        self.while_running()
        for name in self._events.keys() - self._sent:
            self._sent.add(name)
            yield Batch(name == b"live", name)

    def decode(self, batch: Batch) -> list[Event]:
        return self._events[batch.data]

    def gone(self) -> bool:
        return False

    def terminal_writes(self) -> int:
        return 3

    def stop(self) -> tuple[list[Lost], dict[str, int]]:
        self.used.append("stop")
        return self._lost, {"readlink EINVAL": 23}


class FakeSource:
    """Opens the capture it was given."""

    name = "fake"

    def __init__(self, capture: FakeCapture) -> None:
        self.capture = capture

    def missing(self, *, sudo: bool = False) -> list[Lack]:
        return []

    def open(self, target: Target, *, sudo: bool = False) -> FakeCapture:
        self.capture.target = target
        return self.capture


class FakeObserver:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def live(self, events: Sequence[Event]) -> None:
        self.told.append(list(events))

    def tick(self, terminal_writes: int) -> None:
        self.told.append(terminal_writes)

    def stopping(self) -> None:
        self.told.append("stopping")

    def ended(self) -> None:
        self.told.append("ended")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where spools lie in these tests."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "gotrace/spool"


def capture_of(*argv: str, capture: FakeCapture | None = None, **options: Any) -> Recorded:
    return record(argv, source=FakeSource(capture or FakeCapture()), probe=False, **options)


def fact(recorded: Recorded, name: str) -> dict[str, Any]:
    (found,) = (event.data for event in recorded.events if isinstance(event, Fact) and event.name == name)
    return found


def test_the_outcome_is_the_commands() -> None:
    recorded = capture_of("sh", "-c", "sleep 0.5; exit 3")
    outcome = recorded.outcome
    assert (outcome.exit, outcome.signal) == (3, None)
    assert outcome.seconds == pytest.approx(recorded.timings.command)
    assert outcome.seconds >= 0.05  # the sleep is longer: the clock starts when the gate is open, maybe a little late
    command = fact(recorded, "command")
    assert command == {"pid": outcome.pid, "exit": 3, "signal": None, "seconds": outcome.seconds, "user": outcome.user}


def test_a_command_that_a_signal_killed() -> None:
    assert capture_of("sh", "-c", "kill -TERM $$").outcome[:2] == (None, signal.SIGTERM)


def test_the_gate_opens_when_the_capture_is_attached(tmp_path: Path) -> None:
    made = tmp_path / "made"
    seen: list[bool] = []

    class Capture(FakeCapture):
        def attach(self, meanwhile: Callable[[], None] | None = None) -> None:
            time.sleep(0.05)
            seen.append(made.exists())

    capture_of("touch", str(made), capture=Capture())
    assert seen == [False]
    assert made.exists()


def test_the_capture_is_stopped_once_and_left() -> None:
    capture = FakeCapture()
    capture_of("true", capture=capture)
    assert capture.used == ["enter", "attach", "stop", "exit"]


def test_each_capture_has_a_cookie_of_its_own() -> None:
    captures = [FakeCapture(), FakeCapture()]
    for capture in captures:
        capture_of("true", capture=capture)
    one, other = (capture.target for capture in captures)
    assert one
    assert other
    assert 0 < one.cookie < 2**64
    assert one.cookie != other.cookie


def test_live_and_bulk_events_are_merged_by_time_and_numbered() -> None:
    live = [Fork(ts_ns=10, pid=1, child_pid=2), Exit(ts_ns=40, pid=2, status=0)]
    bulk = [SyscallError(ts_ns=ts_ns, pid=2, syscall="openat", errno=2) for ts_ns in (30, 20, 50)]
    recorded = capture_of("true", capture=FakeCapture(live, bulk))
    assert [event.ts_ns for event in recorded.events[:5]] == [10, 20, 30, 40, 50]
    assert [event.seq for event in recorded.events] == list(range(7))
    assert fact(recorded, "counts") == {"noise": {"readlink EINVAL": 23}, "streamed": 5}


def test_output_of_programs_that_are_no_tools_is_dropped_and_secrets_are_masked() -> None:
    live = [
        Exec(ts_ns=1, pid=5, path="/usr/bin/gcc", argv=("gcc", "-DPASSWORD=hunter2"), env={"SECRET": "x"}),
        Output(ts_ns=2, pid=5, text="gcc says\n"),
        Exec(ts_ns=3, pid=6, path="/home/me/program", argv=("program",)),
        Output(ts_ns=4, pid=6, text="private words\n"),
    ]
    recorded = capture_of("true", capture=FakeCapture(live))
    assert [event.text for event in recorded.events if isinstance(event, Output)] == ["gcc says\n"]
    assert "hunter2" not in repr(recorded.events)
    assert fact(recorded, "counts")["streamed"] == 4


def test_nothing_unmasked_reaches_the_disk(cache: Path) -> None:
    seen: list[bytes] = []
    live = [Exec(ts_ns=1, pid=5, path="/bin/git", argv=("git", "https://user:hunter2@host/x"), env={"TOKEN": "t0k"})]
    capture = FakeCapture(live)
    capture.while_running = lambda: seen.extend(file.read_bytes() for file in cache.iterdir())
    capture_of("sleep", "0.1", capture=capture, env={"PATH": "/usr/bin:/bin", "TOKEN": "t0k"})
    assert any(b'"kind":"exec"' in content for content in seen)
    assert not [content for content in seen if b"hunter2" in content or b"t0k" in content]


def test_the_spool_is_gone_when_the_recording_is_there(cache: Path) -> None:
    capture_of("true")
    assert list(cache.iterdir()) == []


def test_the_header_says_who_recorded_what_where() -> None:
    header = capture_of("sh", "-c", "true", "--password=hunter2", cwd="/usr").header
    assert header.argv == ("sh", "-c", "true", "--password=***")
    assert (header.cwd, header.source) == ("/usr", "fake")
    assert header.observes == ("execs", "failed_paths")
    assert header.degraded == ("no i386 calls here",)
    assert header.host["kernel"] == os.uname().release
    assert header.version
    assert header.boot_id
    assert header.pid_namespace == Path("/proc/self/ns/pid").stat().st_ino
    assert abs(header.started_ns + header.wall_offset_ns - time.time_ns()) < 60e9


def test_the_observer_sees_live_events_ticks_and_the_end() -> None:
    live = [Fork(ts_ns=1, pid=1, child_pid=2)]
    observer = FakeObserver()
    capture_of("sleep", "0.1", capture=FakeCapture(live), observer=observer)
    assert observer.told[:2] == [live, 3]
    assert observer.told[-1] == "ended"
    assert set(map(str, observer.told[2:-1])) == {"3"}


def test_losses_are_events_of_the_recording() -> None:
    lost = Lost(ts_ns=7, pid=0, what="syscall_error", count=9, reason="ring full")
    recorded = capture_of("true", capture=FakeCapture(lost=[lost]))
    assert lost.count == sum(event.count for event in recorded.events if isinstance(event, Lost))
    assert recorded.header.degraded == ("no i386 calls here",)


def test_a_capture_that_fails_under_way_lets_the_command_finish_and_is_told(tmp_path: Path) -> None:
    def broken() -> None:
        raise CaptureError("the collector is gone")

    capture = FakeCapture()
    capture.while_running = broken
    recorded = capture_of("sh", "-c", f"sleep 0.2; echo done >{tmp_path}/out; exit 4", capture=capture)
    assert recorded.outcome.exit == 4
    assert (tmp_path / "out").exists()
    (lost,) = (event for event in recorded.events if isinstance(event, Lost))
    assert not lost.exact
    assert "the collector is gone" in lost.reason
    assert lost.since_ns < lost.ts_ns + 1
    assert recorded.header.degraded[-1] == lost.reason


def test_an_observer_that_fails_does_not_end_the_command() -> None:
    class Broken(FakeObserver):
        def tick(self, terminal_writes: int) -> None:
            raise RuntimeError("no terminal")

    assert capture_of("sh", "-c", "sleep 0.1; exit 4", observer=Broken()).outcome.exit == 4


def test_processes_that_outlive_the_command_are_followed_no_longer_and_told(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    script = f"sleep 60 >/dev/null 2>&1 & echo $! >{pid_file}"

    class Capture(FakeCapture):
        def decode(self, batch: Batch) -> list[Event]:
            return [Fork(ts_ns=1, pid=1, child_pid=int(pid_file.read_text()))] if batch.live else []

        def batches(self) -> Iterator[Batch]:
            return iter([Batch(True, b"")] if "stop" in self.used else [])

    recorded = capture_of("sh", "-c", script, capture=Capture())
    os.kill(int(pid_file.read_text()), signal.SIGKILL)
    assert recorded.header.degraded[-1] == "1 process still ran when the command ended, followed no longer"


def test_a_command_that_is_not_there_never_attaches_anything(cache: Path) -> None:
    capture = FakeCapture()
    with pytest.raises(CommandError) as error:
        capture_of("no-such-command", capture=capture)
    assert error.value.exit_code == 127
    assert capture.used == ["enter", "exit"]
    assert not cache.exists()


def test_a_command_that_the_kernel_refuses_leaves_no_spool(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "script").write_text("#!/no/such/shell\n")
    (tmp_path / "script").chmod(0o755)
    with pytest.raises(CommandError, match="interpreter"):
        capture_of(str(tmp_path / "script"))
    assert list(cache.iterdir()) == []


def test_a_source_that_cannot_attach_runs_nothing(tmp_path: Path) -> None:
    class Capture(FakeCapture):
        def attach(self, meanwhile: Callable[[], None] | None = None) -> None:
            raise CaptureError("no BTF")

    with pytest.raises(CaptureError, match="no BTF"):
        capture_of("touch", str(tmp_path / "made"), capture=Capture())
    assert not (tmp_path / "made").exists()


def test_the_command_gets_the_environment_it_would_get(tmp_path: Path) -> None:
    program = f"import json, os; json.dump(dict(os.environ), open('{tmp_path}/env', 'w'))"
    capture_of("/usr/bin/python3", "-c", program, env={"A": "1", "B": "é\udcff", "LC_ALL": "C.UTF-8"})
    assert json.loads((tmp_path / "env").read_text()) == {"A": "1", "B": "é\udcff", "LC_ALL": "C.UTF-8"}


def test_facts_are_asked_when_wanted_and_numbered_after_all_others() -> None:
    recorded = record(["true"], source=FakeSource(FakeCapture()), probe=True)
    assert Facet.PROBED in recorded.header.observes
    assert [event.seq for event in recorded.events] == list(range(len(recorded.events)))
    assert fact(recorded, "host")["kernel"] == os.uname().release
