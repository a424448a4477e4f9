"""What `gotrace build` makes of a finished capture; the capture itself is the boundary that is faked here."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from gotrace.capture import privileges, run
from gotrace.cli.app import app, main
from gotrace.events.model import Fact, SyscallError
from gotrace.events.recording import read_recording
from gotrace.rules import engine
from gotrace.rules.finding import Diagnosis, Severity
from gotrace.sources import choose
from tests.unit.cli.conftest import HEADER, Gotrace, events
from tests.unit.cli.test_report import finding

Captured = Callable[..., dict[str, Any]]


@pytest.fixture
def captured(monkeypatch: pytest.MonkeyPatch) -> Captured:
    """Says how the command "ends"; returns what the capture layer was asked for."""

    def ends(status: int | None = 0, killed_by: int | None = None, found: Severity | None = None) -> dict[str, Any]:
        asked: dict[str, Any] = {}

        def record(argv: tuple[str, ...], **options: Any) -> run.Recorded:
            asked.update(options, argv=argv)
            outcome = run.Outcome(status, killed_by, 0.5, 7, "ada")
            return run.Recorded(HEADER, events(status, killed_by), outcome, run.Timings(*[0.0] * 6))

        monkeypatch.setattr(run, "record", record)
        monkeypatch.setattr(choose, "choose", lambda *_, **__: choose.Choice("the source", []))  # type: ignore[arg-type]
        diagnosis = Diagnosis([finding(found)] if found else [])
        monkeypatch.setattr(engine, "diagnose", lambda _: diagnosis)
        return asked

    return ends


def test_the_report_goes_to_stderr_and_the_exit_code_is_the_commands(gotrace: Gotrace, captured: Captured) -> None:
    for status in (0, 1, 3, 125, 255):
        captured(status)
        done = gotrace("build", "--", "true")
        assert (done.code, done.out) == (status, "")
        assert done.err.startswith("gotrace: no ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--", "go", "build", "-o", "x", "--", "."],
        ["go", "build", "-o", "x", "--", "."],
        ["-q", "go", "build", "-o", "x", "--", "."],
    ],
)
def test_options_behind_the_first_word_are_the_commands(
    gotrace: Gotrace, captured: Captured, arguments: list[str]
) -> None:
    asked = captured()
    assert gotrace("build", *arguments).code == 0
    assert asked["argv"] == ("go", "build", "-o", "x", "--", ".")


def test_options_reach_the_capture(gotrace: Gotrace, captured: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = captured()
    gotrace("build", "--sudo", "--no-probe", "true")
    assert (asked["sudo"], asked["probe"], asked["source"]) == (True, False, "the source")
    gotrace("build", "true")
    assert (asked["sudo"], asked["probe"]) == (False, True)
    monkeypatch.setenv("GOTRACE_SUDO", "1")
    gotrace("build", "true")
    assert asked["sudo"] is True


def test_every_option_has_a_variable() -> None:
    options = {option.opts[-1]: option.envvar for option in get_command(app).commands["build"].params}  # type: ignore[attr-defined]
    del options["command"]
    assert options == {name: "GOTRACE_" + name.lstrip("-").replace("-", "_").upper() for name in options}
    assert len(options) == 11


def test_fresh_gives_the_command_a_cache_that_is_gone_afterwards(
    gotrace: Gotrace, captured: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("GOCACHE", "/old")
    asked = captured()
    assert gotrace("build", "-o", tmp_path / "x.gotrace", "--fresh", "true").code == 0
    folder = asked["env"]["GOCACHE"]
    assert folder.startswith(f"{tmp_path}/gotrace-fresh-")
    assert [path.name for path in tmp_path.iterdir()] == ["x.gotrace"]
    assert [fact.subject for fact in read_recording(tmp_path / "x.gotrace").events if isinstance(fact, Fact)][
        -1
    ] == folder
    gotrace("build", "true")
    assert asked.pop("env") is None
    monkeypatch.setenv("GOTRACE_FRESH", "1")
    gotrace("build", "true")
    assert asked["env"]["GOCACHE"].startswith(str(tmp_path))


def test_a_fresh_cache_that_cannot_be_removed_is_told(
    gotrace: Gotrace, captured: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = captured()
    removed: list[Path] = []
    monkeypatch.setattr(shutil, "rmtree", lambda path, **_: removed.append(path))
    done = gotrace("build", "--fresh", "true")
    (folder,) = removed
    folder.rmdir()
    assert str(folder) == asked["env"]["GOCACHE"]
    assert done.code == 0
    assert done.err.endswith(f"gotrace: the build cache of --fresh is not removed wholly: rm -rf {folder}\n")


def test_timings_of_the_rules(gotrace: Gotrace, captured: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    captured()
    monkeypatch.setattr(engine, "diagnose", lambda _: Diagnosis(timings={"GT101": 0.25}))
    done = gotrace("build", "-q", "--timings", "--report", "json:-", "true")
    assert done.err.splitlines() == ["gotrace: 1 rule took 250.0 ms", "   250.00 ms  GT101 wrong-target-compiler"]
    assert json.loads(done.out)["timings"] == {"GT101": 0.25}


def test_quiet_is_silent_on_a_clean_run_only(gotrace: Gotrace, captured: Captured) -> None:
    captured()
    assert gotrace("build", "-q", "true") == (0, "", "")
    captured(1, found=Severity.ERROR)
    assert gotrace("build", "-q", "true").err == "gotrace: error GT101 wrong-target-compiler: gcc is the wrong one.\n"


@pytest.mark.parametrize(
    ("fail_on", "found", "status", "code"),
    [
        ("none", Severity.ERROR, 0, 0),
        ("error", Severity.ERROR, 0, 3),
        ("error", Severity.WARNING, 0, 0),
        ("warning", Severity.WARNING, 0, 3),
        ("warning", Severity.ERROR, 0, 3),
        ("warning", Severity.NOTE, 0, 0),
        ("warning", None, 0, 0),
        ("error", Severity.ERROR, 1, 1),
        ("error", Severity.ERROR, 42, 42),
    ],
)
def test_fail_on_changes_an_exit_code_of_zero_only(
    gotrace: Gotrace, captured: Captured, fail_on: str, found: Severity | None, status: int, code: int
) -> None:
    captured(status, found=found)
    done = gotrace("build", "--fail-on", fail_on, "true")
    assert done.code == code
    assert (f"gotrace: exit status 3, because --fail-on={fail_on}\n" in done.err) is (code == 3)


def test_it_dies_of_the_signal_that_killed_the_command(captured: Captured, capfd: pytest.CaptureFixture[str]) -> None:
    captured(None, signal.SIGUSR1)
    child = os.fork()
    if child == 0:
        try:
            main(["build", "true"])
        finally:
            os._exit(99)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGUSR1
    assert "and the command was killed by SIGUSR1" in capfd.readouterr().err


def test_recording_and_reports_are_written(gotrace: Gotrace, captured: Captured, tmp_path: Path) -> None:
    captured(1)
    done = gotrace(
        *("build", "-o", tmp_path / "x.gotrace", "--report", "json:-", "--report", f"terminal:{tmp_path}/x.txt", "true")
    )
    assert done.code == 1
    assert json.loads(done.out)["command"]["exit"] == 1
    assert (tmp_path / "x.txt").read_text() == done.err
    assert len(read_recording(tmp_path / "x.gotrace").events) == 3


def test_a_report_that_cannot_be_written_gives_125_unless_the_command_failed(
    gotrace: Gotrace, captured: Captured, tmp_path: Path
) -> None:
    wanted = ("--report", "json:/dev/full", "--report", f"json:{tmp_path}/x.json")
    captured(0)
    done = gotrace("build", *wanted, "true")
    assert done.code == 125
    assert done.err.splitlines()[0].startswith("gotrace: no go command was seen")
    assert "gotrace: error: cannot write /dev/full: No space left on device" in done.err.splitlines()
    assert (tmp_path / "x.json").exists()
    captured(7)
    assert gotrace("build", *wanted, "true").code == 7


def test_a_failure_of_ours_after_the_command_does_not_hide_its_end(
    gotrace: Gotrace, captured: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    for status, code in ((0, 125), (4, 4)):
        captured(status)
        monkeypatch.setattr(engine, "diagnose", lambda _: 1 / 0)
        done = gotrace("build", "true")
        assert done.code == code
        assert done.err.startswith("gotrace: error: ZeroDivisionError: ")


def test_nothing_runs_where_the_recording_could_not_be_written(
    gotrace: Gotrace, captured: Captured, tmp_path: Path
) -> None:
    asked = captured()
    (tmp_path / "link").symlink_to("/etc/passwd")
    for path in (tmp_path, tmp_path / "link", "/dev/full", tmp_path / "no" / "x"):
        assert gotrace("build", "-o", path, "true").code == 125
    assert asked == {}
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["link"]


def test_under_sudo_it_names_what_sudo_removed(
    gotrace: Gotrace, captured: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = privileges.Invoker("ada", os.geteuid(), os.getegid(), "/home/ada", "/bin/sh")
    monkeypatch.setattr(privileges, "invoker", lambda: ada)
    monkeypatch.setattr(privileges, "removed_by_sudo", lambda: ["CC", "GOFLAGS"])
    monkeypatch.setattr(os, "initgroups", lambda *_: None)
    asked = captured()
    done = gotrace("build", "true")
    assert asked["become"] is ada
    assert (
        "gotrace: sudo removed or replaced CC, GOFLAGS; `gotrace build --sudo` without sudo in front keeps them"
        in done.err
    )
    assert gotrace("build", "-q", "true").err == ""


@pytest.mark.parametrize(
    ("command", "status", "number", "said"),
    [("run", 1, 13, True), ("run", 1, 2, False), ("run", 0, 13, False), ("build", 1, 13, False)],
)
def test_under_sudo_a_program_that_was_refused_something_is_told_as_whom_it_ran(
    gotrace: Gotrace, captured: Captured, monkeypatch: pytest.MonkeyPatch,
    command: str, status: int, number: int, said: bool,
) -> None:  # fmt: skip
    ada = privileges.Invoker("ada", os.geteuid(), os.getegid(), "/home/ada", "/bin/sh")
    monkeypatch.setattr(privileges, "invoker", lambda: ada)
    monkeypatch.setattr(privileges, "removed_by_sudo", list)
    monkeypatch.setattr(os, "initgroups", lambda *_: None)
    captured(status)
    record = run.record
    call = SyscallError(ts_ns=1, pid=7, tid=7, syscall="bind", errno=number)

    def refused(argv: tuple[str, ...], **options: Any) -> run.Recorded:
        recorded = record(argv, **options)
        recorded.events.append(call)
        return recorded

    monkeypatch.setattr(run, "record", refused)
    told = "gotrace: it ran as ada, who called sudo; `gotrace run --user root` runs it as root"
    assert (told in gotrace(command, "true").err) == said


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (["-o", "one.gotrace", "--report", "json:./one.gotrace"], "-o and --report json"),
        (["-o", "one.gotrace", "--report", "json:link"], "-o and --report json"),
        (["--report", "json:two", "--report", "terminal:sub/../two"], "--report json and --report terminal"),
    ],
)
def test_two_outputs_to_one_file_are_refused(
    gotrace: Gotrace,
    captured: Captured,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    options: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "link").symlink_to("one.gotrace")
    done = gotrace("build", *words, "true")
    assert (done.code, done.out) == (125, "")
    assert done.err.startswith(f"gotrace: error: {options} name the same file: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "sub"]


def test_a_device_takes_several(gotrace: Gotrace, captured: Captured) -> None:
    assert gotrace("build", "--report", "json:/dev/null", "--report", "terminal:/dev/null", "true").code == 0
