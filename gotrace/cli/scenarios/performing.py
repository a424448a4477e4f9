"""The course of `gotrace scenario run`: one scenario, or one act, with gotrace's own report of each act."""

from __future__ import annotations

import shlex
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path

from gotrace.cli import outputs, streams
from gotrace.cli.scenarios import recordings
from gotrace.cli.scenarios.stopping import StoppedBy, StoppedError, end_children, stoppable
from gotrace.errors import GotraceError, UsageError
from gotrace.reports.escape import safe_block, safe_line
from gotrace.scenario import runner
from gotrace.scenario.model import Act, Scenario
from gotrace.scenario.page import WORK, command_text
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


def perform(scenario: Scenario, backend: str, *, sudo: bool, colour: bool | None) -> ScenarioResult:
    """Run it and tell; the folder with all that it left is named last, and stays.

    Raises:
        GotraceError: it cannot be run here.
        StoppedBy: the user has had enough. What ran was stopped and cleared up.
    """
    kept = Path(tempfile.mkdtemp(prefix="gotrace-scenario-"))
    try:
        result = _performed(scenario, backend, kept, sudo=sudo)
    except BaseException:
        _leave(kept)
        raise
    if result.status is Status.SKIPPED:
        _leave(kept)
        raise GotraceError(f"{scenario.id} cannot be run here: {result.why}", "--install-missing installs packages")
    commands = {act.name: command_text(act) for act in scenario.acts if act.printed is None}
    for act in result.acts:
        recording = recordings.kept_recording(result, act.recording, kept) if act.recording else None
        command = commands.get(act.name) or shlex.join(act.command)
        if WORK in command:
            folder = recordings.kept_folder(result, kept) / act.name
            command = f"cd {shlex.quote(str(folder))} && export WORK=$PWD\n$ {command}"
        _tell(act, command, recording, colour)
    verdict = f"; the claim is {result.verdict}" if result.verdict else ""
    streams.to_stdout(
        f"{scenario.id} by {backend}: {result.status.value} in {result.seconds:.1f} s{verdict}\n"
        f"Folders, recordings and all that was printed: {recordings.kept_folder(result, kept)}\n"
    )
    return result


def _performed(scenario: Scenario, backend: str, kept: Path, *, sudo: bool) -> ScenarioResult:
    """In a thread of its own: a signal reaches the main one, which sees to it that the other can clear up."""
    stop = threading.Event()

    def announce(_: Scenario, act: Act) -> None:
        if stop.is_set():
            raise StoppedError
        streams.to_stderr(f"gotrace: {safe_line(scenario.id)}: {act.name} ...\n")

    with stoppable() as stopping, ThreadPoolExecutor(1, "scenario") as pool:
        future = pool.submit(runner.run, scenario, backend, sudo=sudo, keep=kept, progress=announce)
        try:
            return stopping.wait_for(future.result)
        except StoppedBy as stopped:
            stop.set()
            streams.to_stderr(f"gotrace: interrupted by {stopped.signal.name}\n")
            end_children(stopped.signal, lambda seconds: not wait([future], seconds).not_done)
            raise


def _leave(kept: Path) -> None:
    """Remove the folder, or name it where something lies in it."""
    try:
        kept.rmdir()
    except OSError:
        streams.to_stderr(f"gotrace: what there is of it: {kept}\n")


def _tell(act: ActResult, command: str, recording: Path | None, colour: bool | None) -> None:
    title = f": {act.title}" if act.title else ""
    streams.to_stdout(f"== {safe_line(act.name + title)}\n$ {safe_block(command)}\n")
    if recording is not None:
        streams.to_stdout(_report(recording, colour))
    lines = [f"short of the scenario: {safe_line(why)}" for why in act.why] or ["as the scenario says"]
    streams.to_stdout("".join(f"-- {line}\n" for line in lines) + "\n")


def _report(recording: Path, colour: bool | None) -> str:
    from gotrace.api import diagnose, load

    trace = load(recording)
    return outputs.render(outputs.Format.TERMINAL, trace, diagnose(trace), sys.stdout, colour=colour)
