"""A trace in numbers."""

from __future__ import annotations

import pytest

from gotrace.events.tools import Role
from gotrace.trace.summary import summary
from tests.unit.trace import go126
from tests.unit.trace.events_for import Story

SECOND = 1_000_000_000


def test_a_build_is_counted() -> None:
    story = Story()
    go126.go_build(story)
    story.fails(30, "readlink", 22, "/x", repeat=40)
    story.fails(30, "openat", 2, "/y")
    counted = summary(story.trace())

    assert counted.execs == 25
    assert counted.processes == 26  # and pid 30, which no fork announced
    assert counted.refused_execs == 1
    assert counted.errors == 41
    assert counted.packages == 3
    # without compile -V=full, gcc -###, the flag's probes, cgo's guess with its cc1, and the link of _cgo_.o
    assert counted.runs == {
        Role.GO: 1,
        Role.COMPILE: 3,
        Role.CGO: 3,
        Role.CC: 4,
        Role.CC1: 3,
        Role.AS: 1,
        Role.LINK: 1,
        Role.COLLECT2: 1,
        Role.LD: 1,
    }


def test_parallel_work_of_one_group_counts_once() -> None:
    """One event a second: compile 3..9 and, inside that time, asm 5..8; later cgo 11..12."""
    story = Story(step_ns=SECOND)
    story.execs(1, "go build")
    with story.process(2, go126.COMPILE_SUB, parent=1), story.process(3, go126.ASM, parent=1):
        story.fails(3, "openat", 2, "/x")
        story.fails(3, "openat", 2, "/x")
    story.runs(4, go126.CGO, parent=1)
    story.exits(1)
    counted = summary(story.trace())
    assert counted.group_seconds == {"go": 6 + 1, "c": 0, "link": 0}
    assert counted.seconds == 12


def test_a_compiler_below_link_is_link_time() -> None:
    story = Story(step_ns=SECOND)
    with story.process(1, "go build"):
        story.runs(2, go126.CC_FILE, parent=1)
        with story.process(3, go126.LINK, parent=1):
            story.runs(4, go126.CC_LINK, parent=3)
    assert summary(story.trace()).group_seconds == {"go": 0, "c": 1, "link": 4}


@pytest.mark.parametrize("began", [False, True])
def test_without_an_end_there_is_no_duration(began: bool) -> None:
    story = Story()
    if began:
        story.execs(1, "go build")
    counted = summary(story.trace())
    assert counted.seconds is None
    assert counted.group_seconds == {"go": 0, "c": 0, "link": 0}
