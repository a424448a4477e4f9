"""Runs scenarios: each act in its turn, in a folder of its own that is gone afterwards."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from gotrace.capture.privileges import Invoker, invoker
from gotrace.host.folders import cache_folder
from gotrace.scenario import act
from gotrace.scenario.environments import space
from gotrace.scenario.expect import first_line
from gotrace.scenario.model import Act, Scenario
from gotrace.scenario.privileged import needs_sudo
from gotrace.scenario.requirements import Requirement, missing_of
from gotrace.scenario.result import ActResult, ScenarioResult, Status

Progress = Callable[[Scenario, Act], None]
"""Is told which act begins."""


def missing(scenario: Scenario) -> list[Requirement]:
    """What this machine lacks for it, and how to get it."""
    lacks = list(missing_of(scenario.requires))
    for one in scenario.acts:
        where = one.environment
        lacks += [Requirement(f"environment {where.kind}", what) for what in space(where.kind).lacks(where.settings)]
    return list(dict.fromkeys(lacks))


def run(
    scenario: Scenario,
    backend: str,
    *,
    sudo: bool = False,
    keep: Path | None = None,
    progress: Progress = lambda *_: None,
) -> ScenarioResult:
    """Perform all acts under a backend; what falls short is told, not raised.

    `sudo`: where the backend takes a privilege that this process lacks, sudo gives it. `keep`: a folder for what they
    leave.
    """
    started = time.monotonic()
    lacks = missing(scenario)
    if lacks:
        why = "; ".join(f"{lack.name} is missing ({lack.how})" for lack in lacks)
        return ScenarioResult(scenario.id, backend, Status.SKIPPED, _environments(scenario), why=why)
    folder = Path(tempfile.mkdtemp(prefix=f"gotrace-{scenario.id}-"))
    try:
        results = _perform_all(scenario, _stage(folder, backend, sudo=sudo), progress)
        if keep is not None:
            shutil.copytree(folder, keep / f"{scenario.id}-{backend}", dirs_exist_ok=True, symlinks=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    short = [f"{result.name}: {why}" for result in results for why in result.why]
    return ScenarioResult(
        scenario.id,
        backend,
        Status.FAILED if short else Status.PASSED,
        _environments(scenario),
        time.monotonic() - started,
        tuple(results),
        None if scenario.claim is None or short else scenario.claim.verdict.value,
        first_line(short),
    )


def _perform_all(scenario: Scenario, stage: act.Stage, progress: Progress) -> list[ActResult]:
    results: list[ActResult] = []
    printed: list[dict[str, object]] = []
    for one in scenario.acts:
        progress(scenario, one)
        results.append(act.perform(scenario, one, stage, printed))
        if one is scenario.reproduce:
            found = act.report_of(stage, one).get("findings", [])
            printed = [fix for finding in found[:1] for fix in finding["fix"]]
    return results


def _stage(folder: Path, backend: str, *, sudo: bool) -> act.Stage:
    """Acts run as the invoking user. Root makes nothing below a folder that is theirs: it might be a link."""
    recordings, who = folder / "recordings", invoker()
    recordings.mkdir()
    if who is not None:
        act.give(recordings, who)
        folder.chmod(0o711)  # theirs are only the folders in it
    return act.Stage(folder, backend, build_cache(who), recordings, who, sudo and needs_sudo(backend))


def build_cache(who: Invoker | None = None) -> Path:
    """The Go build cache of all scenarios: the standard library is compiled once, and nobody's own cache decides."""
    folder = (Path(who.home, ".cache/gotrace") if who else cache_folder()) / "scenario-build"
    if who is None:
        folder.mkdir(parents=True, exist_ok=True)
    else:
        command = ["mkdir", "-p", str(folder)]
        subprocess.run(command, user=who.uid, group=who.gid, extra_groups=[], umask=0o077, check=True)
    return folder


def _environments(scenario: Scenario) -> str:
    return ", ".join(dict.fromkeys(one.environment.kind for one in scenario.acts))
