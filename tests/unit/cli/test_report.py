from __future__ import annotations

import json
from pathlib import Path

import pytest

from gotrace import api
from gotrace.events.recording import write_recording
from gotrace.rules.finding import Diagnosis, Finding, Severity
from tests.unit.cli.conftest import HEADER, Gotrace, events


def finding(severity: Severity = Severity.ERROR) -> Finding:
    return Finding("GT101", "wrong-target-compiler", severity, "gcc is the wrong one.", None, [], [])


def test_a_clean_recording(gotrace: Gotrace, recording: Path) -> None:
    done = gotrace("report", recording)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("gotrace: no go command was seen: 1 process, 0.50 s; nothing lost")


def test_findings_make_the_exit_code_one(gotrace: Gotrace, recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "diagnose", lambda _: Diagnosis([finding()]))
    done = gotrace("report", recording)
    assert done.code == 1
    assert done.out.startswith("gotrace: error GT101 wrong-target-compiler: gcc is the wrong one.\n")


def test_json_to_a_file(gotrace: Gotrace, recording: Path, tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    assert gotrace("report", recording, "--format", "json", "-o", target) == (0, "", "")
    assert json.loads(target.read_text())["command"]["argv"] == ["true"]
    assert json.loads(gotrace("report", recording, "--format", "json").out) == json.loads(target.read_text())


def test_timings_go_to_stderr_and_into_json(gotrace: Gotrace, recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "diagnose", lambda _: Diagnosis(timings={"GT101": 0.5, "GT201": 1.0}))
    done = gotrace("report", recording, "--timings", "--format", "json")
    assert [line.split()[2] for line in done.err.splitlines()[1:]] == ["GT201", "GT101"]
    assert json.loads(done.out)["timings"] == {"GT201": 1.0, "GT101": 0.5}
    assert gotrace("report", recording).err == ""


def test_a_report_that_cannot_be_written(gotrace: Gotrace, recording: Path) -> None:
    done = gotrace("report", recording, "-o", "/dev/full")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("gotrace: error: cannot write /dev/full: No space left on device\n")


def test_of_a_damaged_recording_what_is_readable_is_shown(gotrace: Gotrace, recording: Path) -> None:
    recording.write_bytes(recording.read_bytes()[:-20])
    done = gotrace("report", recording)
    assert done.code == 2
    assert done.out.startswith("gotrace: cannot be judged: the recording is damaged: 1 process")
    assert "damaged: " in done.out
    assert done.err.startswith(f"gotrace: error: not all of {recording} could be read\n")
    assert len(done.err.splitlines()) == 2


def test_what_is_wrong_with_a_recording_is_told_once(gotrace: Gotrace, recording: Path) -> None:
    recording.write_bytes(recording.read_bytes()[:-20])
    done = gotrace("report", recording)
    assert (done.out + done.err).count("is cut off inside line") == 1
    to_file = gotrace("report", recording, "-o", recording.with_name("report"))
    assert to_file.err.startswith(f"gotrace: error: {recording} is not whole: it is cut off inside line 5")


def test_a_changed_recording_is_no_clean_one(gotrace: Gotrace, recording: Path) -> None:
    recording.write_bytes(recording.read_bytes().replace(b"/bin/true", b"/bin/tree"))
    done = gotrace("report", recording)
    assert done.code == 2
    assert "its checksum does not match" in done.out


def test_of_nothing_but_a_header_nothing_is_concluded(gotrace: Gotrace, recording: Path) -> None:
    recording.write_bytes(recording.read_bytes().splitlines(keepends=True)[0])
    done = gotrace("report", recording)
    assert done.code == 2
    assert done.out.startswith("gotrace: cannot be judged: the recording ends before the command did: 0 processes; ")


def test_of_a_compressed_recording_cut_at_its_start_it_says_that_nothing_is_left(
    gotrace: Gotrace, tmp_path: Path
) -> None:
    path = tmp_path / "x.gotrace.zst"
    write_recording(path, HEADER, events())
    path.write_bytes(path.read_bytes()[:40])
    done = gotrace("report", path)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"gotrace: error: {path} cannot be read at all: its compressed data are cut off.\n")


def test_of_a_newer_recording_what_is_understood_is_shown(gotrace: Gotrace, recording: Path) -> None:
    recording.write_bytes(recording.read_bytes().replace(b'"schema":1', b'"schema":99', 1))
    done = gotrace("report", recording)
    assert done.code == 2
    assert "1 process" in done.out
    assert "newer gotrace" in done.out


@pytest.mark.parametrize("content", [b"", b"\x00" * 100, b"{}\n", b"#!/bin/sh\n"])
def test_what_is_no_recording(gotrace: Gotrace, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    done = gotrace("report", path)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"gotrace: error: {path} is ")


def test_colour_is_forced_and_forbidden(gotrace: Gotrace, recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "diagnose", lambda _: Diagnosis([finding()]))
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[1;31merror GT101" in gotrace("report", recording).out
    assert "\x1b" not in gotrace("report", recording, "--no-color").out
    monkeypatch.setenv("GOTRACE_NO_COLOR", "1")
    assert "\x1b" not in gotrace("report", recording).out


def test_a_compressed_recording(gotrace: Gotrace, tmp_path: Path) -> None:
    path = tmp_path / "x.gotrace.zst"
    write_recording(path, HEADER, events(status=3))
    done = gotrace("report", path)
    assert done.code == 0
    assert "no go command was seen, and the command ended with exit status 3" in done.out


def test_a_report_does_not_overwrite_its_recording(gotrace: Gotrace, recording: Path) -> None:
    before = recording.read_bytes()
    done = gotrace("report", recording, "-o", recording.parent / "." / recording.name)
    assert (done.code, done.out) == (2, "")
    assert done.err.endswith(": is the recording itself\n  name another file for the report\n")
    assert recording.read_bytes() == before
