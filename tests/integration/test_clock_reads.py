"""Reads of clocks by system calls: each is counted, once, where it was made, by both sources; by attaching as well."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from gotrace.events.model import ClockReads, Event, Library
from gotrace.sources.base import Target
from gotrace.sources.ptrace.source import PtraceSource
from tests.integration.attaching import Attached
from tests.integration.conftest import GOTRACE
from tests.integration.observing import by_whom, observe
from tests.integration.running import follow

PROGRAMS = Path(__file__).parent / "programs"
NUMBER = 23
SERVED = 7
"""Clocks, each of which the program reads in two threads."""


@pytest.fixture(scope="module")
def clocks(tmp_path_factory: pytest.TempPathFactory, tool: Callable[[str], str]) -> str:
    program = tmp_path_factory.mktemp("clocks") / "clocks"
    subprocess.run([tool("gcc"), "-O1", "-pthread", "-mno-red-zone", "-o", program, PROGRAMS / "clocks.c"], check=True)
    return str(program)


def reads(events: Sequence[Event], pid: int) -> list[tuple[bool, str, int, bool]]:
    """Of each place: whether the process itself read there, how, how often, and whether that is in the vDSO."""
    vdso = next(one for one in events if isinstance(one, Library) and one.path == "[vdso]" and one.pid == pid)
    found = [event for event in events if isinstance(event, ClockReads)]
    assert all(event.began_ns <= event.ts_ns for event in found)
    return sorted((e.pid == pid, e.syscall, e.count, vdso.base <= e.ip < vdso.base + vdso.size) for e in found)


def expected() -> list[tuple[bool, str, int, bool]]:
    return [
        (False, "gettimeofday", NUMBER, False),
        (True, "clock_gettime", NUMBER, True),
        (True, "clock_gettime", 2 * SERVED * NUMBER, False),
        (True, "gettimeofday", NUMBER, False),
        (True, "time", NUMBER, False),
    ]


def test_by_ebpf(clocks: str) -> None:
    seen = follow([clocks, str(NUMBER)])
    assert seen.lost == []
    assert reads(seen.events, seen.pid) == expected()


@pytest.mark.parametrize("loop", ["compiled", "python"])
def test_by_ptrace(clocks: str, loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOTRACE_PTRACE_LOOP", loop)
    seen = observe([clocks, str(NUMBER)], source=PtraceSource(), target=Target(1, running=True))
    assert seen.lost == []
    assert reads(seen.events, seen.pid) == expected()


def test_a_build_is_not_asked(clocks: str) -> None:
    for source in (None, PtraceSource()):
        seen = observe([clocks, str(NUMBER)], source=source)
        assert [event for event in seen.events if isinstance(event, ClockReads)] == []


@pytest.mark.parametrize(("backend", "loop"), [("ebpf", ""), ("ptrace", "compiled"), ("ptrace", "python")])
def test_of_a_process_that_runs(
    clocks: str, tmp_path: Path, backend: str, loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOTRACE_PTRACE_LOOP", loop)
    options = ["--syscalls"] if backend == "ptrace" else [*by_whom(backend)]
    with subprocess.Popen([clocks, str(NUMBER), "wait"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as program:
        assert program.stdin is not None
        time.sleep(0.1)  # the loader is done
        with Attached(tmp_path, program.pid, "--backend", backend, *options) as attached:
            program.stdin.close()
            told = attached.end()

    assert reads(told.events, program.pid) == expected()


def test_without_a_look_at_calls_an_attached_process_is_not_judged(clocks: str, tmp_path: Path) -> None:
    with subprocess.Popen([clocks, str(NUMBER), "wait"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as program:
        assert program.stdin is not None
        with Attached(tmp_path, program.pid, "--backend", "ptrace") as attached:
            program.stdin.close()
            told = attached.end()

    assert told.of(ClockReads) == []
    assert "clock-read-by-system-call" in [one["name"] for one in told.report["not_evaluated"]]


def test_what_the_vdso_left_to_the_kernel_is_named_and_a_programs_own_calls_are_not(
    clocks: str, tmp_path: Path, backend: str
) -> None:
    report = tmp_path / "report.json"
    done = subprocess.run(
        [GOTRACE, "run", "--backend", backend, *by_whom(backend), "--report", f"json:{report}", "--", clocks, "2000"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "vdso 1\n", "this kernel's vDSO has no system call that the program can borrow"
    told: dict[str, Any] = json.loads(report.read_text())
    (finding,) = told["findings"]
    assert finding["name"] == "clock-read-by-system-call"
    assert finding["message"].startswith("clocks read the clock by 2,000 system calls")
    assert "this kernel's clock source" in finding["message"]
