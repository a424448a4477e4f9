"""Real programs that crash: every frame between the instruction and the program's start, by its name."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from gotrace.events.model import Frame
from tests.integration.crashes import BUILDS, CHAINS, GO_CHAINS, OURS, WRAPPED, build_cgo, build_crashes, names
from tests.integration.crashing import crashed

Tool = Callable[[str], str]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For all programs."""
    return tmp_path_factory.mktemp("crashes")


@pytest.mark.parametrize("crash", CHAINS)
@pytest.mark.parametrize("build", BUILDS)
def test_the_whole_chain_of_a_c_program(folder: Path, tool: Tool, build: str, crash: str) -> None:
    count, number, chain = CHAINS[crash]
    with crashed([build_crashes(folder, tool, build), *["x"] * count]) as crash_of:
        assert crash_of.signal == number
        stack = crash_of.stack()
    # Between them are frames of the C library, whose names its own build decides.
    assert [name for name in names(stack) if name in OURS] == chain
    assert stack[0].ip == (0 if crash == "null call" else stack[0].ip)
    own = [frame for frame in stack if frame.symbol in OURS - {"abort", "__restore_rt"}]
    assert {frame.origin for frame in own} == {"c"}
    assert all(frame.distance > 0 for frame in own)
    if "static" not in build:
        assert {frame.origin for frame in stack} <= {"c", "libc", ""}
        assert "libc" in {frame.origin for frame in stack}


@pytest.mark.parametrize("crash", GO_CHAINS)
@pytest.mark.parametrize("build", ["plain", "pie"])
def test_c_frames_and_the_go_frames_that_called_them_are_one_stack(
    folder: Path, tool: Tool, build: str, crash: str
) -> None:
    with crashed([build_cgo(folder, tool, build), crash]) as crash_of:
        assert crash_of.signal == signal.SIGSEGV
        stack = crash_of.stack()
    assert names(stack) == GO_CHAINS[crash]
    for frame in stack:
        is_go = frame.symbol.startswith(("main.", "runtime."))
        assert frame.origin == ("go" if is_go else "c" if frame.symbol else "")


def test_go_frames_keep_their_names_in_a_stripped_program(folder: Path, tool: Tool) -> None:
    with crashed([build_cgo(folder, tool, "stripped"), "function"]) as crash_of:
        found = names(crash_of.stack())
    chain = GO_CHAINS["function"]
    assert len(found) == len(chain)
    assert found[4:] == chain[4:]


def test_a_callback_from_c_into_go_and_back_into_c(folder: Path, tool: Tool) -> None:
    """What was below the first call of C cannot be told: C code in between has used the frame pointer otherwise."""
    with crashed([build_cgo(folder, tool, "plain"), "callback"]) as crash_of:
        found = names(crash_of.stack())
    assert found[: len(WRAPPED)] == WRAPPED
    assert found[len(WRAPPED)].endswith("_callback")
    assert found[-2:] == ["runtime.cgocallback", "crosscall2"]


def test_without_the_stacks_memory_there_is_the_place_alone(folder: Path, tool: Tool) -> None:
    with crashed([build_cgo(folder, tool, "plain"), "function"]) as crash_of:
        crash_of.memory = b""
        crash_of.chain = [0, 4711, 0xFFFF_FFFF_FFFF_FFF0]
        assert crash_of.stack() == [Frame(0)]
