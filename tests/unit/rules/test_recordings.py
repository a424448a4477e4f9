"""The rules on recordings of real failures and of their fixes (made by tests/integration/test_rules.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from gotrace.events.recording import read_recording
from gotrace.rules.engine import diagnose
from gotrace.rules.finding import Diagnosis
from gotrace.trace.builder import build

RECORDINGS = Path(__file__).resolve().parents[2] / "recordings"

FOUND = {
    "wrong-target-compiler": "wrong-target-compiler",
    "cross-compiler-in-native-build": "wrong-target-compiler",
    "missing-target-headers": "missing-target-headers",
    "compiler-not-found": "compiler-not-found",
    "missing-header": "missing-header",
    "missing-header-of-a-package": "missing-header",
    "missing-library": "missing-library",
    "missing-library-development-link": "missing-library",
    "cgo-disabled-by-cross-build": "cgo-disabled",
    "cgo-disabled-by-missing-compiler": "cgo-disabled",
}
CLEAN = [
    "wrong-target-compiler.fixed",
    "missing-target-headers.fixed",
    "compiler-not-found.fixed",
    "missing-header.fixed",
    "missing-library.fixed",
    "cgo-disabled-by-cross-build.fixed",
    "cgo-disabled-by-missing-compiler.fixed",
    "cgo-turned-off-on-purpose",
    "healthy-cold",
]


def diagnosis_of(name: str) -> Diagnosis:
    recording = read_recording(RECORDINGS / f"{name}.gotrace.zst")
    assert recording.damage is None
    return diagnose(build(recording.header, recording.events))


@pytest.mark.parametrize("name", FOUND)
def test_the_failure_is_named_first_and_alone(name: str) -> None:
    diagnosis = diagnosis_of(name)
    assert [finding.name for finding in diagnosis.findings] == [FOUND[name]]
    assert diagnosis.not_evaluated == []
    finding = diagnosis.findings[0]
    assert finding.evidence
    assert finding.fix
    assert finding.span is not None


@pytest.mark.parametrize("name", CLEAN)
def test_the_fix_and_the_healthy_build_are_silent(name: str) -> None:
    diagnosis = diagnosis_of(name)
    assert (diagnosis.findings, diagnosis.not_evaluated) == ([], [])


def test_every_recording_is_expected_to_say_something() -> None:
    names = {path.name.removesuffix(".gotrace.zst") for path in RECORDINGS.glob("*.gotrace.zst")}
    assert names == {*FOUND, *CLEAN}


@pytest.mark.parametrize("name", [*FOUND, *CLEAN])
def test_a_recording_cut_anywhere_raises_nothing_and_never_counts_as_clean(name: str, tmp_path: Path) -> None:
    whole = read_recording(RECORDINGS / f"{name}.gotrace.zst")
    for part in (0.0, 0.3, 0.7, 0.95):
        events = whole.events[: int(len(whole.events) * part)]
        diagnosis = diagnose(build(whole.header, events, damage="cut off"))
        assert diagnosis.findings or diagnosis.not_evaluated
