"""`gotrace scenario verify`: rows, exit codes, documents, workers."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from gotrace.cli.scenarios import verifying
from gotrace.errors import NotPermittedError
from gotrace.events.recording import read_recording
from gotrace.scenario import privileged
from gotrace.scenario.model import Scenario
from gotrace.scenario.requirements import Requirement
from gotrace.scenario.result import DIAGNOSIS
from gotrace.sources import choose
from tests.unit.cli.conftest import Gotrace
from tests.unit.cli.scenarios import FAILURE, Runner, copy_elsewhere, fake, folder, only_working

__all__ = ["fake", "folder"]

HEAD = "         scenario     backend  reproduced  diagnosed  fixed  verdict  seconds\n"
MUSL = Requirement("musl-gcc", "apt-get install musl-tools")


def test_a_row_for_each_that_passes(gotrace: Gotrace, fake: Runner) -> None:
    done = gotrace("scenario", "verify")
    assert (done.code, done.err) == (0, "")
    table, summary = done.out.split("\n\n")
    assert table + "\n" == (
        f"{HEAD}"
        "passed   healthy      ebpf     yes         yes        -      -            1.5\n"
        "passed   no-compiler  ebpf     yes         yes        yes    false        1.5\n"
    )
    assert summary == "2 passed in 0 s\nclaims: 1 false\n"


def test_both_backends_have_rows_of_their_own(gotrace: Gotrace, fake: Runner) -> None:
    done = gotrace("scenario", "verify", "no-compiler", "--backend", "both")
    assert done.code == 0
    assert fake.ran == [("no-compiler", "ebpf"), ("no-compiler", "ptrace")]
    assert "2 passed in 0 s\nclaims: 1 false\n" in done.out


def test_what_falls_short_is_said_and_is_exit_status_one(gotrace: Gotrace, fake: Runner) -> None:
    fake.why = {
        ("no-compiler", "reproduce"): f"{DIAGNOSIS}found nothing, expected compiler-not-found",
        ("no-compiler", "fix-2"): "ended with \x1b[31m",
    }
    done = gotrace("scenario", "verify")
    assert done.code == 1
    assert done.out.splitlines()[2:5] == [
        "FAILED   no-compiler  ebpf     yes         yes        NO     -            1.5",
        "         reproduce: diagnosis: found nothing, expected compiler-not-found",
        "         fix-2: ended with \\x1b[31m",
    ]
    assert done.out.endswith("\n1 passed, 1 failed in 0 s\n")


def test_a_skip_says_what_is_missing_and_how_to_get_it(gotrace: Gotrace, fake: Runner) -> None:
    fake.lacks = {"no-compiler": [MUSL]}
    done = gotrace("scenario", "verify")
    assert done.code == 0
    assert done.out.splitlines()[2:4] == [
        "skipped  no-compiler  ebpf",
        "         musl-gcc is missing (apt-get install musl-tools)",
    ]
    assert done.out.endswith("\n1 passed, 1 skipped in 0 s\n")


def test_where_all_is_required_a_skip_is_a_failure(
    gotrace: Gotrace, fake: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.lacks = {"no-compiler": [MUSL]}
    monkeypatch.setenv("GOTRACE_REQUIRE", "all")
    done = gotrace("scenario", "verify", "--json")
    assert done.code == 1
    failed = json.loads(done.out)["scenarios"][1]
    assert failed["status"] == "failed"
    assert failed["why"].startswith("GOTRACE_REQUIRE=all allows no skip: musl-gcc is missing")


def test_but_not_for_want_of_a_virtual_machine(
    gotrace: Gotrace, fake: Runner, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "old-kernel.toml").write_text(FAILURE.format(environment="vm:bullseye"))
    fake.lacks = {"old-kernel": [MUSL]}
    monkeypatch.setenv("GOTRACE_REQUIRE", "all")
    done = gotrace("scenario", "verify", "--json", "old-kernel")
    assert done.code == 0
    [skipped] = json.loads(done.out)["scenarios"]
    assert (skipped["status"], skipped["environment"]) == ("skipped", "vm:bullseye")


def test_json_has_an_object_for_each_and_nothing_else_is_printed(gotrace: Gotrace, fake: Runner) -> None:
    fake.why = {("no-compiler", "fix-1"): "ended with exit status 2"}
    done = gotrace("scenario", "verify", "no-compiler", "--json", "--backend", "ptrace")
    assert (done.code, done.err) == (1, "")
    [one] = json.loads(done.out)["scenarios"]
    acts = one.pop("acts")
    assert one == {
        "id": "no-compiler",
        "status": "failed",
        "environment": "host",
        "findings": ["compiler-not-found"],
        "verdict": None,
        "seconds": 1.5,
        "why": "fix-1: ended with exit status 2",
        "backend": "ptrace",
        "title": "No compiler",
        "rule": "compiler-not-found",
        "reproduced": True,
        "diagnosed": True,
        "fixed": False,
    }
    assert [(act["name"], act["ok"]) for act in acts] == [("reproduce", True), ("fix-1", False), ("fix-2", True)]


def test_junit(gotrace: Gotrace, fake: Runner, tmp_path: Path) -> None:
    fake.why = {("healthy", "reproduce"): "printed <b>\x00\x1b"}
    fake.lacks = {"no-compiler": [MUSL]}
    file = tmp_path / "junit.xml"
    assert gotrace("scenario", "verify", "--backend", "both", "--junit", file).code == 1
    root = ET.parse(file).getroot()
    assert root.attrib == {"tests": "4", "failures": "2", "errors": "0", "skipped": "2", "time": "3.000"}
    assert [suite.get("name") for suite in root] == ["gotrace scenarios by ebpf", "gotrace scenarios by ptrace"]
    healthy, skipped = root[0]
    assert (healthy.get("classname"), healthy.get("name")) == ("scenarios.ebpf", "healthy")
    failure = healthy.find("failure")
    assert failure is not None
    assert failure.text == "reproduce: printed <b>\\x00\\x1b"
    told = skipped.find("skipped")
    assert told is not None
    assert told.get("message") == "musl-gcc is missing (apt-get install musl-tools)"


@pytest.mark.parametrize("option", ["--junit", "--save-recordings"])
def test_what_could_not_be_written_is_said_before_anything_runs(
    gotrace: Gotrace, fake: Runner, tmp_path: Path, option: str
) -> None:
    (tmp_path / "file").touch()
    done = gotrace("scenario", "verify", option, tmp_path / "file" / "x")
    assert (done.code, done.out, fake.ran) == (2, "", [])
    assert done.err.startswith("gotrace: error: ")


def test_a_backend_that_does_not_work_skips_its_half(
    gotrace: Gotrace, fake: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choose, "choose", only_working("ptrace"))
    done = gotrace("scenario", "verify", "healthy", "--backend", "both")
    assert done.code == 0
    assert fake.ran == [("healthy", "ptrace")]
    assert "skipped  healthy   ebpf\n         ebpf cannot be used (install ebpf)\n" in done.out
    assert gotrace("scenario", "verify", "healthy").code == 0
    assert fake.ran[1:] == [("healthy", "ptrace")]


@pytest.mark.parametrize("backend", ["auto", "ebpf", "both"])
def test_without_any_backend_nothing_can_be_verified(
    gotrace: Gotrace, fake: Runner, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    monkeypatch.setattr(choose, "choose", only_working())
    done = gotrace("scenario", "verify", "--backend", backend)
    assert (done.code, done.out, fake.ran) == (2, "", [])
    assert "ebpf cannot be used" in done.err


def test_sudo_is_tried_before_anything_runs(gotrace: Gotrace, fake: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privileged, "may_load", lambda: False)
    tried: list[str] = []
    monkeypatch.setattr(privileged, "try_sudo", lambda: tried.append("sudo"))
    for backend in ("auto", "ebpf", "both"):
        assert gotrace("scenario", "verify", "healthy", "--sudo", "--backend", backend).code == 0
    assert tried == ["sudo"] * 3
    assert set(fake.sudo) == {True}
    assert gotrace("scenario", "verify", "healthy", "--backend", "both").code == 0
    assert tried == ["sudo"] * 3


@pytest.mark.parametrize("backend", ["auto", "ebpf", "both"])
def test_where_sudo_does_not_let_us_nothing_is_verified_by_another_backend(
    gotrace: Gotrace, fake: Runner, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    def refused() -> None:
        raise NotPermittedError("sudo did not start the collector", "whatever")

    monkeypatch.setattr(privileged, "may_load", lambda: False)
    monkeypatch.setattr(privileged, "try_sudo", refused)
    done = gotrace("scenario", "verify", "--sudo", "--backend", backend)
    assert (done.code, done.out, fake.ran) == (2, "", [])
    assert "sudo did not start the collector\n  see what `sudo -v` says; " in done.err


def test_a_file_from_elsewhere_has_to_be_trusted(gotrace: Gotrace, fake: Runner, folder: Path, tmp_path: Path) -> None:
    mine = copy_elsewhere(folder, tmp_path)
    done = gotrace("scenario", "verify", mine)
    assert (done.code, done.out, fake.ran) == (2, "", [])
    assert done.err.splitlines()[1] == f"  read it (gotrace scenario show {mine}), then add --trust"
    assert gotrace("scenario", "verify", mine, "--trust").code == 0
    assert fake.ran == [("mine", "ebpf")]


def test_a_link_among_gotraces_own_does_not_make_a_file_its_own(
    gotrace: Gotrace, fake: Runner, folder: Path, tmp_path: Path
) -> None:
    (folder / "linked.toml").symlink_to(copy_elsewhere(folder, tmp_path))
    assert gotrace("scenario", "verify", "linked").code == 2
    assert fake.ran == []


def test_one_that_is_named_twice_runs_once(gotrace: Gotrace, fake: Runner, folder: Path) -> None:
    assert gotrace("scenario", "verify", "healthy", folder / "healthy", "healthy").code == 0
    assert fake.ran == [("healthy", "ebpf")]


def test_workers_run_side_by_side(gotrace: Gotrace, fake: Runner) -> None:
    together = threading.Barrier(2, timeout=60)
    fake.meanwhile = lambda scenario, backend: None if scenario.id == "healthy" else _wait(together)
    assert gotrace("scenario", "verify", "no-compiler", "-j", "2", "--backend", "both").code == 0


def _wait(barrier: threading.Barrier) -> None:
    barrier.wait()


def test_a_runner_that_raises_fails_its_scenario_only(gotrace: Gotrace, fake: Runner) -> None:
    def broken(scenario: Scenario, backend: str) -> None:
        if scenario.id == "healthy":
            raise OSError(28, "No space left on device")

    fake.meanwhile = broken
    done = gotrace("scenario", "verify")
    assert done.code == 1
    assert "FAILED   healthy " in done.out
    assert "OSError: [Errno 28] No space left on device" in done.out
    assert "passed   no-compiler " in done.out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_when_stopped_no_further_act_begins(
    gotrace: Gotrace, fake: Runner, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    begun: list[str] = []
    stopped = threading.Event()
    monkeypatch.setattr(verifying, "end_children", lambda *_: stopped.set())

    def stop(scenario: Scenario, backend: str) -> None:
        begun.append(scenario.id)
        os.kill(os.getpid(), number)
        assert stopped.wait(60)

    fake.meanwhile = stop
    done = gotrace("scenario", "verify", "no-compiler", "healthy")
    assert done.code == 128 + number
    assert done.out == (
        f"{HEAD}\nnothing was run in 0 s\n"
        f"interrupted by {number.name}: 2 of 2 not done\n"
        "         no-compiler by ebpf, healthy by ebpf\n"
    )
    assert begun == ["no-compiler"]


def test_when_stopped_the_documents_say_what_was_done_and_what_not(
    gotrace: Gotrace, fake: Runner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stopped = threading.Event()
    monkeypatch.setattr(verifying, "end_children", lambda *_: stopped.set())
    monkeypatch.setenv("GOTRACE_REQUIRE", "all")
    fake.why = {("no-compiler", "fix-2"): "killed by SIGINT"}

    def stop(scenario: Scenario, backend: str) -> None:
        if (scenario.id, backend, len(fake.acts)) == ("no-compiler", "ebpf", 3):
            os.kill(os.getpid(), signal.SIGTERM)
            assert stopped.wait(60)

    fake.meanwhile = stop
    file = tmp_path / "junit.xml"
    done = gotrace("scenario", "verify", "--json", "--junit", file, "--backend", "both")
    assert done.code == 143
    told = [(one["id"], one["backend"], one["status"], one["why"]) for one in json.loads(done.out)["scenarios"]]
    before = "interrupted by SIGTERM before it began"
    assert told == [
        ("healthy", "ebpf", "passed", ""),
        ("healthy", "ptrace", "passed", ""),
        ("no-compiler", "ebpf", "skipped", "interrupted by SIGTERM while it ran"),
        ("no-compiler", "ptrace", "skipped", before),
    ]
    root = ET.parse(file).getroot()
    assert (root.get("tests"), root.get("failures"), root.get("skipped")) == ("4", "0", "2")
    assert [one.get("message") for one in root.iter("skipped")][-1] == before


def test_recordings_of_what_passed_are_saved(gotrace: Gotrace, fake: Runner, tmp_path: Path) -> None:
    fake.why = {("healthy", "reproduce"): "something"}
    saved = tmp_path / "deep/saved"
    assert gotrace("scenario", "verify", "--backend", "both", "--save-recordings", saved).code == 1
    assert sorted(path.name for path in saved.iterdir()) == [
        "no-compiler.fixed-2.gotrace.zst",
        "no-compiler.fixed.gotrace.zst",
        "no-compiler.gotrace.zst",
    ]
    assert len(read_recording(saved / "no-compiler.gotrace.zst").events) == 3


def test_work_folders_stay_where_asked(gotrace: Gotrace, fake: Runner) -> None:
    done = gotrace("scenario", "verify", "healthy", "--keep")
    [line] = done.err.splitlines()
    kept = Path(line.removeprefix("gotrace: work folders: "))
    assert [path.name for path in kept.iterdir()] == ["healthy-ebpf"]
    assert (kept / "healthy-ebpf/recordings/reproduce.gotrace").is_file()


def test_otherwise_nothing_stays(gotrace: Gotrace, fake: Runner, tmp_path: Path) -> None:
    assert gotrace("scenario", "verify", "--save-recordings", tmp_path / "saved").code == 0
    assert list((tmp_path / "tmp").iterdir()) == []
