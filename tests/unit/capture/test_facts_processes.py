"""Processes put together from events, as far as the fact gatherers need them."""

from __future__ import annotations

from gotrace.capture.facts.processes import Processes
from gotrace.events.model import Exec, Exit
from gotrace.events.tools import Role
from tests.stories import Story


def test_missing_paths_are_kept_for_processes_that_failed() -> None:
    story = Story()
    good = story.starts("/usr/bin/ld", "x.o")
    bad = story.starts("/usr/bin/ld", "y.o")
    story.misses(good, "/a")
    story.misses(bad, "/b", "/c")
    story.ends(good)
    story.ends(bad, status=1)
    failed = list(Processes(story.events).failed(Role.LD))
    assert [[error.paths for error in life.missing] for life in failed] == [[("/b",), ("/c",)]]


def test_failing_calls_may_be_told_after_everything_else() -> None:
    story = Story()
    pid = story.starts("/usr/bin/ld", "x.o")
    story.misses(pid, "/a", "/b")
    story.ends(pid, status=1)
    start, *errors, end = story.events
    events = [start, end, *reversed(errors)]
    (life,) = Processes(events).failed(Role.LD)
    assert [error.paths for error in life.missing] == [("/a",), ("/b",)]


def test_a_pid_that_comes_back_is_another_process() -> None:
    story = Story()
    pid = story.starts("/usr/bin/gcc", "x.c")
    story.misses(pid, "/first")
    story.ends(pid, status=1)
    story.becomes(pid, "/usr/bin/ld", "x.o")
    story.misses(pid, "/second")
    story.ends(pid, status=1)
    processes = Processes(story.events)
    assert [life.missing[0].paths for life in processes.failed(Role.CC)] == [("/first",)]
    assert [life.missing[0].paths for life in processes.failed(Role.LD)] == [("/second",)]


def test_a_refused_exec_is_no_image() -> None:
    events = [Exec(ts_ns=1, pid=1, path="/usr/bin/gcc", argv=("gcc",), error=2)]
    assert list(Processes(events).images(Role.CC)) == []


def test_a_scripts_interpreter_is_not_among_its_arguments() -> None:
    story = Story()
    story.runs(["/bin/sh", "-e", "/opt/go/bin/go", "build", "."], cwd="/src")
    story.starts("/bin/sh", "/opt/go/bin/go", "build", ".", path="/opt/go/bin/go")
    images = list(Processes(story.events).images(Role.GO))
    assert [image.argv for image in images] == [("/opt/go/bin/go", "build", ".")]


def test_only_a_known_end_can_be_a_failure() -> None:
    story = Story()
    running, killed = story.starts("/usr/bin/ld"), story.starts("/usr/bin/ld")
    story.events.append(Exit(ts_ns=10**9, pid=killed, signal=9))
    assert {life.pid: life.failed for life in Processes(story.events)} == {running: False, killed: True}


def test_what_a_process_says_in_parts_is_one_text() -> None:
    story = Story()
    pid = story.starts("/usr/bin/ld")
    story.says(pid, "half a ")
    story.says(pid, "word")
    (life,) = Processes(story.events)
    assert life.text == "half a word"
