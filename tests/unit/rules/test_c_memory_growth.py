"""c-memory-growth: all the time, to the end, C's and not Go's; and who ends by itself is left alone."""

from __future__ import annotations

from collections.abc import Callable
from signal import SIGINT, SIGKILL, SIGSEGV, SIGTERM
from typing import Any

import pytest
from msgspec.structs import replace

from gotrace.events.facets import Facet
from gotrace.events.recording import Header
from gotrace.rules.engine import diagnose
from gotrace.rules.finding import Finding, Severity
from gotrace.trace.builder import build
from tests.unit.rules.programs import PID, Program
from tests.unit.rules.recorded import finding, findings, ways_out

MIB = 1 << 10
"""In KiB."""


def evenly(second: int) -> int:
    return 20 * second


def memory(c: Callable[[int], int], *, go: Callable[[int], int] = lambda _: 4, seconds: int = 8) -> dict[str, Any]:
    """The fact of a process whose C memory and Go's heap are so many MiB after each second."""
    owners = [
        {"ms": second * 1000, "c": c(second) * MIB, "go": go(second) * MIB, "files": 3 * MIB, "shared": 0, "arenas": 3}
        for second in (1, seconds)
    ]
    resident = [[second * 1000, (c(second) + go(second) + 3) * MIB] for second in range(seconds + 1)]
    return {"pid": PID, "since_ns": 5, "resident": resident, "owners": owners}


def told_of(fact: dict[str, Any], status: int | None = None, signal: int | None = SIGTERM) -> list[Finding]:
    program = Program()
    program.fact("memory", **fact)
    return [one for one in program.findings(status, signal) if one.name == "c-memory-growth"]


def test_as_recorded() -> None:
    found = finding("c-memory-growth")
    assert found.severity is Severity.WARNING
    assert found.message.endswith("so pprof does not show it.")
    assert [one.text.partition(" ")[0] for one in found.evidence] == ["C", "C", "+++"]
    assert "CGO_ENABLED=1 go build -asan -o app" in ways_out(found)
    assert "use_root_regions=0" in ways_out(found)


def test_what_is_freed_is_none() -> None:
    assert findings("c-memory-growth.fixed") == []


@pytest.mark.parametrize("signal", [SIGINT, SIGTERM, SIGKILL])
def test_until_somebody_ends_it(signal: int) -> None:
    (found,) = told_of(memory(evenly), None, signal)
    killed = ", until it was killed (SIGKILL, which is also what the kernel sends for want of memory)"
    assert found.message == (
        f"140 MiB of C memory came to app in 7 s, 20 MiB a second, all the time that it was watched"
        f"{killed if signal == SIGKILL else ''}; Go's heap did not grow, so pprof does not show it."
    )


def test_of_a_program_that_runs_on_when_the_watching_ends() -> None:
    program = Program()
    program.fact("memory", **memory(evenly))
    header = Header(argv=("/srv/app",), observes=tuple(facet.value for facet in Facet), running=True, attached=PID)
    (found,) = diagnose(build(header, program.events)).findings
    assert found.name == "c-memory-growth"


def test_without_gos_heap_nothing_is_said_of_pprof() -> None:
    (found,) = told_of(memory(evenly, go=lambda _: 0))
    assert found.message.endswith(", all the time that it was watched.")


def test_a_compiler_that_was_interrupted_is_none() -> None:
    program = Program()
    program.events[0] = replace(program.events[0], path="/usr/lib/gcc/x86_64-linux-gnu/12/cc1plus", argv=("cc1plus",))
    program.fact("memory", **memory(evenly))
    assert program.findings(None, SIGINT) == []


def test_of_many_processes_of_a_program_the_one_that_grew_most() -> None:
    program = Program()
    program.fact("memory", **memory(evenly))
    program.fact("memory", **memory(lambda second: 30 * second))
    (found,) = program.findings(None, SIGTERM)
    assert found.message.startswith("210 MiB ")


def test_many_arenas_are_a_way_out_of_their_own() -> None:
    fact = memory(evenly)
    fact["owners"][-1]["arenas"] = 12
    (found,) = told_of(fact)
    assert "glibc keeps 12 heaps of 64 MiB; MALLOC_ARENA_MAX=2" in ways_out(found)
    assert "ARENA" not in ways_out(told_of(memory(evenly))[0])


@pytest.mark.parametrize(
    ("fact", "status", "signal"),
    [
        pytest.param(memory(evenly), 0, None, id="it ended by itself"),
        pytest.param(memory(evenly), 1, None, id="it failed by itself"),
        pytest.param(memory(evenly), None, SIGSEGV, id="it crashed"),
        pytest.param(memory(lambda second: min(40 * second, 120)), None, SIGTERM, id="a cache that is filled"),
        pytest.param(memory(lambda second: 20 * max(0, second - 5)), None, SIGTERM, id="only at the end"),
        pytest.param(memory(lambda second: 20 * second * (second != 4)), None, SIGTERM, id="it gave some back"),
        pytest.param(memory(lambda second: 5 * second), None, SIGTERM, id="little"),
        pytest.param(memory(evenly, seconds=3), None, SIGTERM, id="shortly"),
        pytest.param(memory(lambda _: 9, go=evenly), None, SIGTERM, id="it is Go's"),
        pytest.param(memory(evenly, go=evenly), None, SIGTERM, id="Go's heap grows as well"),
    ],
)
def test_what_is_none(fact: dict[str, Any], status: int | None, signal: int | None) -> None:
    assert told_of(fact, status, signal) == []


@pytest.mark.parametrize(
    "change",
    [
        {"resident": None},
        {"resident": [[0, 1], [2]]},
        {"resident": "0123456789"},
        {"resident": [["0", "1"]] * 9},
        {"owners": None},
        {"owners": [{"ms": 0}, {"ms": 1}]},
        {"owners": memory(evenly)["owners"][:1]},
        {"owners": [memory(evenly)["owners"][1]] * 2},
    ],
)
def test_a_recording_may_say_anything(change: dict[str, Any]) -> None:
    assert told_of(memory(evenly) | change) == []
