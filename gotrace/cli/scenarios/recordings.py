"""Saves the recordings of scenarios that passed: what the rules' unit tests read."""

from __future__ import annotations

from pathlib import Path

from gotrace.scenario.result import ScenarioResult, Status


def save(result: ScenarioResult, kept: Path, folder: Path) -> list[Path]:
    """Write ID.gotrace.zst of the reproduction, ID.fixed.gotrace.zst of the first fix, ID.fixed-2... of the second.

    `kept` is the folder that the runner was told to keep things in. Nothing is saved of what fell short.

    Raises:
        RecordingError: one cannot be read or written.
    """
    from gotrace.events.recording import read_recording, write_recording

    saved: list[Path] = []
    if result.status is not Status.PASSED:
        return saved
    for act in result.acts:
        if act.recording is None:
            continue
        recorded = read_recording(kept_recording(result, act.recording, kept))
        target = folder / f"{result.id}{_suffix(act.name)}.gotrace.zst"
        write_recording(target, recorded.header, recorded.events)
        saved.append(target)
    return saved


def kept_folder(result: ScenarioResult, kept: Path) -> Path:
    """Where the runner left the work folders of a scenario."""
    return kept / f"{result.id}-{result.backend}"


def kept_recording(result: ScenarioResult, recording: Path, kept: Path) -> Path:
    """A recording of an act, which the runner made in a folder that is gone by now."""
    return kept_folder(result, kept) / "recordings" / recording.name


def _suffix(act: str) -> str:
    if act == "reproduce":
        return ""
    return ".fixed" if act == "fix-1" else f".fixed-{act.rpartition('-')[2]}"
