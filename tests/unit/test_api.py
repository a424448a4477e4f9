"""The library's own part: loading."""

from __future__ import annotations

from pathlib import Path

import gotrace
from gotrace.events.model import Exec, Exit, Fact, KnownEvent
from gotrace.events.recording import Header, write_recording

RAN: list[KnownEvent] = [
    Exec(ts_ns=1, pid=7, path="/usr/bin/go", argv=("go", "version")),
    Exit(ts_ns=2, pid=7, status=0),
    Fact(ts_ns=3, pid=7, name="command", data={"pid": 7, "exit": 0, "signal": None, "seconds": 0.1, "user": "me"}),
]


def test_a_finished_recording_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.gotrace"
    write_recording(path, Header(argv=("go", "version")), RAN)
    trace = gotrace.load(path)
    assert trace.damage is None
    assert trace.root is not None
    assert trace.root.pid == 7


def test_a_recording_cut_between_two_lines_is_told_by_its_missing_end(tmp_path: Path) -> None:
    path = tmp_path / "a.gotrace"
    write_recording(path, Header(argv=("go", "version")), RAN[:2])
    trace = gotrace.load(path)
    assert trace.damage is not None
    assert "its end is missing" in trace.damage
