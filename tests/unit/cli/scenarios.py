"""Scenario files in a folder of their own, and a runner that runs nothing but does and says what a test wants."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from gotrace.cli.scenarios import chosen
from gotrace.errors import CaptureError
from gotrace.events.recording import write_recording
from gotrace.scenario import loader, runner
from gotrace.scenario.model import Act, Scenario
from gotrace.scenario.page import environments_of
from gotrace.scenario.requirements import Requirement
from gotrace.scenario.result import ActResult, ScenarioResult, Status
from gotrace.sources import choose
from tests.unit.cli.conftest import HEADER, events

FAILURE = '''
title = "No compiler"
rule = "compiler-not-found"
requires = ["go"]
seed = ["s24c", "https://example.org/issue/1"]
environment = {environment!r}
text = """
Nothing is **there**: #include <x.h>, `#include <y.h>`, <https://example.org>

    #include <z.h>
"""

[claim]
source = "2.4"
text = "CC_<os>_<arch> chooses"
verdict = "false"
measured = "It does not."

[files]
"main.go" = "package main"

[reproduce]
command = ["go", "build", "-o", "the app", "."]
env = {{ CC = "/no/gcc" }}
unset = ["CXX"]
setup = ["mkdir sub"]
output = ["not found"]
events = [{{ kind = "exec", path = "gcc$", max = 0, min = 0 }}]

[[fix]]
title = "Name one that is there"
command = ["go", "build"]
after = ["./app"]

[[fix]]
title = "As gotrace says"
printed = "CC="
'''
HEALTHY = """
title = "All is well"
[reproduce]
command = ["true"]
"""


class Runner:
    """In place of gotrace.scenario.runner. By default everything passes."""

    def __init__(self) -> None:
        self.ran: list[tuple[str, str]] = []
        self.sudo: list[bool] = []
        self.acts: list[tuple[str, ...]] = []
        self.why: dict[tuple[str, str], str] = {}
        """What falls short, by id and act."""
        self.lacks: dict[str, list[Requirement]] = {}
        self.meanwhile: Callable[[Scenario, str], None] = lambda scenario, backend: None

    def missing(self, scenario: Scenario) -> list[Requirement]:
        return self.lacks.get(scenario.id, [])

    def run(
        self,
        scenario: Scenario,
        backend: str,
        *,
        sudo: bool = False,
        keep: Path | None = None,
        progress: runner.Progress = lambda *_: None,
    ) -> ScenarioResult:
        self.ran.append((scenario.id, backend))
        self.sudo.append(sudo)
        self.acts.append(tuple(act.name for act in scenario.acts))
        where = environments_of(scenario)
        if lacks := self.missing(scenario):
            why = "; ".join(f"{lack.name} is missing ({lack.how})" for lack in lacks)
            return ScenarioResult(scenario.id, backend, Status.SKIPPED, where, why=why)
        acts = []
        for act in scenario.acts:
            progress(scenario, act)
            self.meanwhile(scenario, backend)
            acts.append(self._act(scenario, act, backend, keep))
        short = [f"{act.name}: {why}" for act in acts for why in act.why]
        verdict = scenario.claim.verdict.value if scenario.claim and not short else None
        status = Status.FAILED if short else Status.PASSED
        why = short[0] if short else ""
        return ScenarioResult(scenario.id, backend, status, where, 1.5, tuple(acts), verdict, why)

    def _act(self, scenario: Scenario, act: Act, backend: str, keep: Path | None) -> ActResult:
        recording = Path("/nowhere/any-more") / f"{act.name}.gotrace"
        if keep is not None:
            kept = keep / f"{scenario.id}-{backend}" / "recordings"
            kept.mkdir(parents=True, exist_ok=True)
            write_recording(kept / recording.name, HEADER, events())
        why = self.why.get((scenario.id, act.name))
        found = act.expect.findings
        return ActResult(act.name, act.title, act.command, 0.5, (why,) if why else (), found, recording=recording)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands for gotrace's own scenarios: one failure and one healthy build."""
    where = tmp_path / "own"
    where.mkdir()
    (where / "no-compiler.toml").write_text(FAILURE.format(environment="host"))
    (where / "healthy").mkdir()
    (where / "healthy/scenario.toml").write_text(HEALTHY)
    for module in (chosen, loader):
        monkeypatch.setattr(module, "scenarios_dir", lambda: where)
    return where


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, folder: Path, tmp_path: Path) -> Runner:
    """The runner; both backends work, and what is kept is kept where the test's own files are."""
    one = Runner()
    monkeypatch.setattr(runner, "run", one.run)
    monkeypatch.setattr(runner, "missing", one.missing)
    monkeypatch.setattr(choose, "choose", lambda name, sudo: None)
    for variable in ("GOTRACE_REQUIRE", "GOTRACE_SCENARIO_BACKEND"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("COLUMNS", "120")
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return one


def only_working(*names: str) -> Callable[..., None]:
    """In place of gotrace.sources.choose.choose."""

    def pick(name: str, *, sudo: bool) -> None:
        if name not in names:
            raise CaptureError(f"{name} cannot be used", f"install {name}")

    return pick


def copy_elsewhere(folder: Path, to: Path) -> Path:
    """A scenario file that is none of gotrace's own."""
    return Path(shutil.copy(folder / "no-compiler.toml", to / "mine.toml"))
