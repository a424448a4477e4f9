"""The build cache of `--fresh`: private, empty, given to the command, and gone afterwards whatever happens."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gotrace.capture import fresh
from gotrace.errors import UsageError
from gotrace.events.model import Exit, Fact, KnownEvent


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_it_is_empty_and_private_and_removed_with_all_it_holds(temporary: Path) -> None:
    with fresh.fresh_cache() as folder:
        assert folder.parent == temporary
        assert list(folder.iterdir()) == []
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "00").mkdir()
        (folder / "00/archive").write_text("x")
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_it_is_removed_where_the_capture_fails(error: type[BaseException], temporary: Path) -> None:
    with pytest.raises(error), fresh.fresh_cache():
        raise error
    assert list(temporary.iterdir()) == []


def test_it_is_made_and_removed_with_the_rights_of_the_user() -> None:
    there: list[bool] = []

    @contextmanager
    def rights() -> Iterator[None]:
        there.append(any(Path(os.environ["TMPDIR"]).iterdir()))
        yield
        there.append(any(Path(os.environ["TMPDIR"]).iterdir()))

    with fresh.fresh_cache(rights):
        pass
    assert there == [False, True, True, False]


def test_a_relative_temporary_folder_is_made_absolute(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(temporary)
    monkeypatch.setenv("TMPDIR", ".")
    with fresh.fresh_cache() as folder:
        assert folder.is_absolute()


def test_no_folder_for_it_is_said_with_the_way_out(monkeypatch: pytest.MonkeyPatch, temporary: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(temporary / "none"))
    with pytest.raises(UsageError) as told, fresh.fresh_cache():
        pass
    assert told.value.message == f"--fresh: no folder can be made in {temporary}/none: No such file or directory"
    assert "TMPDIR" in told.value.remedy


def test_a_program_that_keeps_the_cache_is_left_out() -> None:
    given = fresh.with_cache({"GOCACHE": "/old", "GOCACHEPROG": "remote", "CC": "gcc"}, Path("/new"))
    assert given == {"GOCACHE": "/new", "CC": "gcc"}


def test_the_recording_says_which_folder_it_was() -> None:
    events: list[KnownEvent] = [Exit(ts_ns=5, seq=0, pid=7, status=0)]
    fresh.note(events, Path("/tmp/gotrace-fresh-\udcff"))
    assert events[1] == Fact(ts_ns=5, seq=1, pid=7, name="fresh_cache", subject="/tmp/gotrace-fresh-\\xff")


WAITS = """
import sys, time
from gotrace.capture.fresh import fresh_cache
with fresh_cache() as folder:
    (folder / "archive").touch()
    print(folder, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize(("number", "status"), [("SIGTERM", 143), ("SIGHUP", 129), ("SIGINT", -signal.SIGINT)])
def test_a_signal_that_ends_gotrace_has_it_removed(number: str, status: int, temporary: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WAITS], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as waiting:
        assert waiting.stdout is not None
        assert Path(waiting.stdout.readline().strip()).is_dir()
        waiting.send_signal(signal.Signals[number])
        assert waiting.wait(60) == status
    assert list(temporary.iterdir()) == []


def test_a_signal_that_was_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with fresh.fresh_cache():
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)
