"""`gotrace scenario run`, `--install-missing`, and the line of progress."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from gotrace.cli.scenarios import chosen, installing, performing
from gotrace.cli.scenarios.stopping import StoppedError
from gotrace.cli.scenarios.ticker import Ticker, wanted
from gotrace.scenario.page import command_text
from gotrace.scenario.requirements import Requirement
from tests.unit.cli.conftest import Gotrace
from tests.unit.cli.scenarios import FAILURE, Runner, copy_elsewhere, fake, folder

__all__ = ["fake", "folder"]

MUSL = Requirement("musl-gcc", "apt-get install musl-tools", "musl-tools")
CHROOT = Requirement("environment chroot", "debootstrap is not installed: apt-get install debootstrap")
ROOT = Requirement("environment mount", "needs root or user namespaces: run it as root")


def test_run_tells_each_act_with_gotraces_own_report(gotrace: Gotrace, fake: Runner) -> None:
    fake.why = {("no-compiler", "fix-1"): "ended with exit status 2"}
    done = gotrace("scenario", "run", "no-compiler", "--backend", "ptrace")
    assert done.code == 1
    assert fake.ran == [("no-compiler", "ptrace")]
    assert done.err.splitlines() == [f"gotrace: no-compiler: {act} ..." for act in ("reproduce", "fix-1", "fix-2")]
    reproduce, fix = done.out.split("\n\n== ")[:2]
    last = done.out.rpartition("\n\n")[2]
    assert reproduce.startswith("== reproduce\n$ env -u CXX CC=/no/gcc go build -o 'the app' .\ngotrace: ")
    assert reproduce.endswith("\n-- as the scenario says")
    assert fix.startswith("fix-1: Name one that is there\n$ go build\ngotrace: ")
    assert fix.endswith("\n-- short of the scenario: ended with exit status 2")
    assert last.startswith("no-compiler by ptrace: failed in 1.5 s\n")
    kept = Path(last.splitlines()[1].partition(": ")[2])
    assert (kept / "recordings/reproduce.gotrace").is_file()


def test_run_says_the_verdict(gotrace: Gotrace, fake: Runner) -> None:
    done = gotrace("scenario", "run", "no-compiler")
    assert done.code == 0
    assert "no-compiler by ebpf: passed in 1.5 s; the claim is false\n" in done.out


@pytest.mark.parametrize(
    ("act", "acts"), [("reproduce", ("reproduce",)), ("fix-1", ("fix-1",)), ("fix-2", ("reproduce", "fix-2"))]
)
def test_one_act_alone_but_for_what_it_needs(gotrace: Gotrace, fake: Runner, act: str, acts: tuple[str, ...]) -> None:
    assert gotrace("scenario", "run", "no-compiler", "--act", act).code == 0
    assert fake.acts == [acts]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--act", "fix-9"], "no-compiler has no act 'fix-9'\n  it has reproduce, fix-1, fix-2"),
        (["--backend", "both"], "--backend both: run watches by one"),
        (["--backend", "dtrace"], "'dtrace' is not one of 'auto', 'ebpf', 'ptrace', 'both'"),
    ],
)
def test_what_it_cannot_do(gotrace: Gotrace, fake: Runner, options: list[str], message: str) -> None:
    done = gotrace("scenario", "run", "no-compiler", *options)
    assert (done.code, done.out, fake.ran) == (2, "", [])
    assert message in done.err


def test_what_is_missing_is_an_error(gotrace: Gotrace, fake: Runner) -> None:
    fake.lacks = {"no-compiler": [MUSL]}
    done = gotrace("scenario", "run", "no-compiler")
    assert (done.code, done.out) == (2, "")
    assert "no-compiler cannot be run here: musl-gcc is missing (apt-get install musl-tools)" in done.err


def test_a_file_from_elsewhere_has_to_be_trusted(gotrace: Gotrace, fake: Runner, folder: Path, tmp_path: Path) -> None:
    mine = copy_elsewhere(folder, tmp_path)
    assert gotrace("scenario", "run", mine).code == 2
    assert fake.ran == []
    assert gotrace("scenario", "run", mine, "--trust").code == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_when_stopped_it_leaves_nothing(
    gotrace: Gotrace, fake: Runner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: signal.Signals
) -> None:
    stop_by(number, fake, monkeypatch)
    done = gotrace("scenario", "run", "no-compiler")
    assert (done.code, done.out) == (128 + number, "")
    assert done.err == f"gotrace: no-compiler: reproduce ...\ngotrace: interrupted by {number.name}\n"
    assert list((tmp_path / "tmp").iterdir()) == []


def test_when_stopped_it_names_what_there_is(
    gotrace: Gotrace, fake: Runner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stop_by(signal.SIGTERM, fake, monkeypatch)
    (tmp_path / "tmp").rmdir()
    fake_folder = tmp_path / "tmp" / "gotrace-scenario-kept"
    fake_folder.mkdir(parents=True)
    (fake_folder / "file").touch()
    monkeypatch.setattr(tempfile, "mkdtemp", lambda **_: str(fake_folder))
    done = gotrace("scenario", "run", "no-compiler")
    assert done.code == 143
    assert done.err.endswith(f"gotrace: what there is of it: {fake_folder}\n")


def stop_by(number: signal.Signals, fake: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the signal arrive in the first act."""
    stopped = threading.Event()
    monkeypatch.setattr(performing, "end_children", lambda *_: stopped.set())

    def stop(*_: object) -> None:
        os.kill(os.getpid(), number)
        assert stopped.wait(60)
        raise StoppedError

    fake.meanwhile = stop


def test_a_command_with_the_work_folder_in_it_can_be_pasted(gotrace: Gotrace, fake: Runner, folder: Path) -> None:
    text = FAILURE.format(environment="host").replace("/no/gcc", "$WORK/it's/gcc -I$WORK")
    (folder / "no-compiler.toml").write_text(text)
    lines = gotrace("scenario", "run", "no-compiler", "--act", "reproduce").out.splitlines()
    kept = Path(lines[-1].partition(": ")[2])
    assert lines[1] == f"$ cd {kept}/reproduce && export WORK=$PWD"
    assert lines[2] == "$ env -u CXX CC=\"$WORK/it's/gcc -I$WORK\" go build -o 'the app' ."


@pytest.mark.parametrize(
    "value", ["$WORK", "$WORK/bin:/usr/bin", "a b$WORK", "-I$WORK/x -L$WORK", "$WORKS", '$WORK/"`id`\\$HOME', "$HOME"]
)
def test_a_shell_gives_the_variable_the_value_that_the_act_has(folder: Path, value: str) -> None:
    made = MappingProxyType({"X": value})
    act = replace(chosen.scenario("no-compiler").reproduce, command=("printenv", "X"), env=made)
    done = subprocess.run(["sh", "-c", f"WORK='/w o'; {command_text(act)}"], capture_output=True, text=True, check=True)
    assert done.stdout == value.replace("$WORK", "/w o") + "\n"


class Apt:
    """In place of apt-get: what was run, and how it ends."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, status: int = 0) -> None:
        self.commands: list[list[str]] = []
        self.status = status
        monkeypatch.setattr(subprocess, "run", self._run)
        monkeypatch.setattr(os, "geteuid", lambda: 1000)

    def _run(self, command: Sequence[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        self.commands.append(list(command))
        return subprocess.CompletedProcess(command, self.status)


INSTALL = "sudo apt-get install --yes --no-install-recommends debootstrap musl-tools"


@pytest.fixture
def lacking(fake: Runner) -> Runner:
    fake.lacks = {"no-compiler": [MUSL, ROOT, CHROOT], "healthy": [MUSL]}
    return fake


def answer(monkeypatch: pytest.MonkeyPatch, text: str, *, terminal: bool = True) -> None:
    stdin = io.StringIO(text)
    stdin.isatty = lambda: terminal  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdin", stdin)


def test_what_is_missing_is_installed_once_agreed(
    gotrace: Gotrace, lacking: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    apt = Apt(monkeypatch)
    answer(monkeypatch, "yes\n")
    done = gotrace("scenario", "verify", "--install-missing")
    assert done.err == (
        "gotrace: missing here:\n"
        "  environment chroot: debootstrap is not installed: apt-get install debootstrap\n"
        "  environment mount: needs root or user namespaces: run it as root\n"
        "  musl-gcc: apt-get install musl-tools\n"
        f"gotrace: would run: {INSTALL}\n"
        "Install? [y/N] "
    )
    assert apt.commands == [INSTALL.split()]


@pytest.mark.parametrize("text", ["n\n", "\n", ""])
def test_without_agreement_nothing_is_installed(
    gotrace: Gotrace, lacking: Runner, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    apt = Apt(monkeypatch)
    answer(monkeypatch, text)
    done = gotrace("scenario", "verify", "--install-missing")
    assert done.code == 0
    assert apt.commands == []
    assert "gotrace: nothing is installed; scenarios that need it are skipped\n" in done.err


def test_where_nobody_can_be_asked_it_says_so(
    gotrace: Gotrace, lacking: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    apt = Apt(monkeypatch)
    answer(monkeypatch, "y\n", terminal=False)
    done = gotrace("scenario", "verify", "--install-missing")
    assert (done.code, apt.commands) == (2, [])
    assert done.err.endswith("stdin is no terminal\n  add --yes to agree beforehand\n")
    assert gotrace("scenario", "verify", "--install-missing", "--yes").code == 0
    assert apt.commands == [INSTALL.split()]


def test_an_installation_that_fails(gotrace: Gotrace, lacking: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    Apt(monkeypatch, status=100)
    done = gotrace("scenario", "run", "healthy", "--install-missing", "--yes")
    assert (done.code, lacking.ran) == (2, [])
    assert "apt-get ended with exit status 100" in done.err


def test_nothing_to_install(gotrace: Gotrace, fake: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    apt = Apt(monkeypatch)
    assert gotrace("scenario", "verify", "--install-missing").err == "gotrace: nothing is missing\n"
    fake.lacks = {"healthy": [ROOT]}
    assert gotrace("scenario", "verify", "--install-missing").err.endswith("gotrace: no package brings any of it\n")
    assert apt.commands == []


@pytest.mark.parametrize(
    ("how", "packages"),
    [
        ("apt-get install musl-tools", ["musl-tools"]),
        ("debootstrap is not installed: apt-get install debootstrap", ["debootstrap"]),
        ("apt-get install libc6-dev-arm64-cross g++", ["libc6-dev-arm64-cross", "g++"]),
        ("apt-get install libstdc++-12-dev:arm64", ["libstdc++-12-dev:arm64"]),
        ("apt-get install --reinstall x; rm -rf /", []),
        ("run it as root", []),
    ],
)
def test_packages_are_read_from_the_remedy(how: str, packages: list[str]) -> None:
    assert installing.packages_of(how) == packages


def test_the_line_says_what_runs(capfd: pytest.CaptureFixture[str]) -> None:
    told: list[str] = []
    ticker = Ticker(3, shown=True, clock=iter([0.0, *[7.4] * 20]).__next__)
    with ticker:
        ticker.runs("a by ebpf", "reproduce")
        ticker.runs("a by ebpf", "fix-1\x1b")
        ticker.runs("b by ptrace", "reproduce")
        assert ticker.line() == "0 of 3 done, 7 s: a by ebpf (fix-1\x1b), b by ptrace (reproduce)"
        ticker.ended("a by ebpf", lambda: told.append("row"))
        assert ticker.line() == "1 of 3 done, 7 s: b by ptrace (reproduce)"
    drawn = capfd.readouterr().err
    assert "fix-1\\x1b" in drawn
    assert drawn.endswith("\r\x1b[2K")
    assert told == ["row"]


def test_the_line_estimates_the_rest_once_there_is_something_to_go_by() -> None:
    ticker = Ticker(12, shown=False, clock=iter([0.0, *[30.0] * 9]).__next__)
    told = []
    for number in range(12):
        ticker.ended(f"{number}", lambda: None)
        if number in (1, 2, 5, 11):
            told.append(ticker.line())
    assert told == [
        "2 of 12 done, 30 s",
        "3 of 12 done, 30 s, about 2 min left",
        "6 of 12 done, 30 s, about 30 s left",
        "12 of 12 done, 30 s",
    ]


def test_a_line_that_nobody_sees_is_not_drawn(capfd: pytest.CaptureFixture[str]) -> None:
    with Ticker(1, shown=False) as ticker:
        ticker.runs("a", "reproduce")
        ticker.ended("a", lambda: None)
    assert capfd.readouterr().err == ""
    assert not wanted({"TERM": "xterm"})
    assert not wanted({"TERM": "xterm", "CI": "1"})
