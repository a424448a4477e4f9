"""By what the kernel tells the time: asked only where somebody read the clock by a system call."""

from __future__ import annotations

from pathlib import Path

from gotrace.capture.facts.clock_sources import clock_source_facts
from gotrace.capture.facts.found import Found
from gotrace.events.model import ClockReads, Exec

READS = ClockReads(ts_ns=5, pid=7, syscall="clock_gettime", count=9, began_ns=1)


def test_where_nobody_did_it_is_not_asked(tmp_path: Path) -> None:
    assert list(clock_source_facts([Exec(ts_ns=1, pid=7, path="/a")], tmp_path)) == []


def test_the_one_in_use_and_those_there_are(tmp_path: Path) -> None:
    (tmp_path / "current_clocksource").write_text("hpet\n")
    (tmp_path / "available_clocksource").write_text("tsc hpet acpi_pm \n")
    (fact,) = clock_source_facts([READS], tmp_path)
    mapped = "[vdso]" in Path("/proc/self/maps").read_text()
    assert fact == Found("clock_source", "hpet", {"available": ["tsc", "hpet", "acpi_pm"], "vdso": mapped})


def test_a_sys_that_is_not_there(tmp_path: Path) -> None:
    (fact,) = clock_source_facts([READS], tmp_path / "none")
    assert (fact.subject, fact.data["available"]) == ("", [])
