"""The course of `gotrace scenario run`: one scenario, or one act, with gotrace's own report of each act."""

from __future__ import annotations

import shlex
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from gotrace.cli import outputs, streams
from gotrace.cli.scenarios import recordings
from gotrace.cli.scenarios.stopping import like_interrupts
from gotrace.errors import GotraceError, UsageError
from gotrace.reports.escape import safe_line
from gotrace.scenario import runner
from gotrace.scenario.model import Act, Scenario
from gotrace.scenario.page import command_text
from gotrace.scenario.result import ActResult, ScenarioResult, Status


def only(scenario: Scenario, name: str | None) -> Scenario:
    """The scenario with just the act of that name, and with the reproduction before it where that prints its command.

    Raises:
        UsageError: it has no such act.
    """
    if name is None:
        return scenario
    acts = {act.name: act for act in scenario.acts}
    if name not in acts:
        raise UsageError(f"{scenario.id} has no act {name!r}", f"it has {', '.join(acts)}")
    if name == scenario.reproduce.name:
        return replace(scenario, fixes=())
    if acts[name].printed is not None:
        return replace(scenario, fixes=(acts[name],))
    return replace(scenario, reproduce=acts[name], fixes=())


def perform(scenario: Scenario, backend: str, *, colour: bool | None) -> ScenarioResult:
    """Run it and tell; the folder with all that it left is named last, and stays.

    Raises:
        GotraceError: it cannot be run here.
    """
    kept = Path(tempfile.mkdtemp(prefix="gotrace-scenario-"))
    with like_interrupts():
        result = runner.run(scenario, backend, keep=kept, progress=_announce)
    if result.status is Status.SKIPPED:
        kept.rmdir()
        raise GotraceError(f"{scenario.id} cannot be run here: {result.why}", "--install-missing installs packages")
    commands = {act.name: command_text(act) for act in scenario.acts if act.printed is None}
    for act in result.acts:
        recording = recordings.kept_recording(result, act.recording, kept) if act.recording else None
        _tell(act, commands.get(act.name) or shlex.join(act.command), recording, colour)
    verdict = f"; the claim is {result.verdict}" if result.verdict else ""
    streams.to_stdout(
        f"{scenario.id} by {backend}: {result.status.value} in {result.seconds:.1f} s{verdict}\n"
        f"Folders, recordings and all that was printed: {recordings.kept_folder(result, kept)}\n"
    )
    return result


def _announce(scenario: Scenario, act: Act) -> None:
    streams.to_stderr(f"gotrace: {safe_line(scenario.id)}: {act.name} ...\n")


def _tell(act: ActResult, command: str, recording: Path | None, colour: bool | None) -> None:
    title = f": {act.title}" if act.title else ""
    streams.to_stdout(f"== {safe_line(act.name + title)}\n$ {safe_line(command)}\n")
    if recording is not None:
        streams.to_stdout(_report(recording, colour))
    lines = [f"short of the scenario: {safe_line(why)}" for why in act.why] or ["as the scenario says"]
    streams.to_stdout("".join(f"-- {line}\n" for line in lines) + "\n")


def _report(recording: Path, colour: bool | None) -> str:
    from gotrace.api import diagnose, load

    trace = load(recording)
    return outputs.render(outputs.Format.TERMINAL, trace, diagnose(trace), sys.stdout, colour=colour)
