"""The library's own part: loading."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

import gotrace
from gotrace.errors import RecordingError
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
    write_recording(path, Header(argv=("go", "version")), RAN)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    assert gotrace.load(path).damage == f"{path} is not whole: its end is missing."


@pytest.mark.parametrize("name", ["a.gotrace", "a.gotrace.zst"])
def test_a_recording_may_come_through_a_pipe(tmp_path: Path, name: str) -> None:
    write_recording(tmp_path / name, Header(argv=("go", "version")), RAN)
    with piped((tmp_path / name).read_bytes()) as path:
        trace = gotrace.load(path)
    assert (trace.header.argv, trace.events, trace.damage) == (("go", "version"), len(RAN), None)


def test_what_is_no_recording_is_refused_through_a_pipe_too() -> None:
    with piped(b"hello\n") as path, pytest.raises(RecordingError, match="is not a recording"):
        gotrace.load(path)


@contextmanager
def piped(content: bytes) -> Iterator[Path]:
    """A pipe that gives `content`, as bash's `<(...)` names it."""
    reading, writing = os.pipe()
    os.write(writing, content)
    os.close(writing)
    try:
        yield Path(f"/dev/fd/{reading}")
    finally:
        os.close(reading)


@pytest.mark.parametrize(("events", "whole"), [(RAN, True), (RAN[:2], False)])
def test_a_recording_that_promises_no_end_is_judged_by_how_its_command_ended(
    tmp_path: Path, events: list[KnownEvent], whole: bool
) -> None:
    path = tmp_path / "a.gotrace"
    path.write_bytes(b'{"magic":"gotrace","schema":1}\n' + msgspec.json.Encoder().encode_lines(events))
    damage = gotrace.load(path).damage
    assert (damage is None) == whole
    assert whole or "its end is missing" in str(damage)
