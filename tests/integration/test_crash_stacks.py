"""`gotrace run` on programs that crash: by either source the recording has the whole stack, and none of the memory."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gotrace.events.model import Signal
from gotrace.events.recording import Recording, read_recording
from tests.integration.conftest import GOTRACE
from tests.integration.crashes import CHAINS, GO_CHAINS, OURS, build_cgo, build_crashes, names

Tool = Callable[[str], str]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For all programs."""
    return tmp_path_factory.mktemp("crashes")


@pytest.fixture
def run(tmp_path: Path, privileges: tuple[str, ...], backend: str) -> Callable[..., Recording]:
    """What `gotrace run` records of a command."""

    def record(*command: str | Path) -> Recording:
        recording = tmp_path / "recording.gotrace"
        as_asked = ["--backend", backend, *(privileges if backend == "ebpf" else ())]
        done = subprocess.run(
            [GOTRACE, "run", *as_asked, "-o", recording, "--", *command],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env={name: value for name, value in os.environ.items() if name != "GOTRACEBACK"},
        )
        assert recording.exists(), done.stderr
        assert b'"kind":"signal"' in recording.read_bytes()
        assert b'"kind":"moment"' not in recording.read_bytes()
        return read_recording(recording)

    return record


def crash_in(recording: Recording) -> Signal:
    (found,) = [event for event in recording.events if isinstance(event, Signal)]
    return found


@pytest.mark.parametrize("crash", ["function", "goroutine", "go"])
def test_a_cgo_program(run: Callable[..., Recording], folder: Path, tool: Tool, crash: str) -> None:
    signal = crash_in(run(build_cgo(folder, tool, "plain"), crash))
    assert names(signal.stack) == GO_CHAINS[crash]
    assert signal.handled


@pytest.mark.parametrize("build", ["glibc", "musl"])
def test_a_c_program(run: Callable[..., Recording], folder: Path, tool: Tool, build: str) -> None:
    count, number, chain = CHAINS["abort"]
    signal = crash_in(run(build_crashes(folder, tool, build), *["x"] * count))
    assert (signal.signal, signal.handled) == (number, False)
    assert [name for name in names(signal.stack) if name in OURS] == chain
