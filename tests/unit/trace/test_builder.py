"""Events put together: lives, parents, images, gaps."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gotrace.events.model import Exec, Exit, Fact, Fork, KnownEvent, Lost, Output, SyscallError
from gotrace.events.recording import Header
from gotrace.trace.builder import build
from gotrace.trace.model import Process, Span, Trace
from tests.unit.trace.events_for import Story
from tests.unit.trace.go126 import go_build


def _root(trace: Trace) -> Process:
    assert trace.root is not None
    return trace.root


def _status(ended: Process | Span) -> int | None:
    """Its exit status; an exit must have been seen."""
    assert ended.exit is not None
    return ended.exit.status


def test_parents_follow_the_forks() -> None:
    story = Story()
    with story.process(1, "make all"), story.process(2, "sh -c 'go build'", parent=1):
        story.runs(3, "go build", parent=2, status=1)
    trace = story.trace()

    make, shell, go = trace.spans
    assert trace.root is make.process
    assert [process.pid for process in trace.processes] == [1, 2, 3]
    assert go.process.parent is shell.process
    assert shell.process.parent is make.process
    assert make.process.parent is None
    assert list(go.ancestors()) == [shell, make]
    assert list(make.descendants()) == [shell, go]
    assert go.failed
    assert not shell.failed
    assert (go.start_ns, go.end_ns) == (go.exec.ts_ns, go.process.end_ns)


def test_events_are_ordered_by_time_and_then_by_sequence() -> None:
    story = Story(step_ns=0)  # all at the same nanosecond
    go_build(story)
    shuffled = random.Random(1).sample(story.events, len(story.events))

    in_order, out_of_order = story.trace(), build(Header(), shuffled)

    assert [span.exec for span in out_of_order.spans] == [span.exec for span in in_order.spans]
    assert out_of_order.events == len(story.events)


def test_a_process_with_several_execs_has_several_spans_and_each_gets_what_happened_in_it() -> None:
    story = Story()
    with story.process(1, "sh build.sh"):
        story.fails(1, "openat", 2, "/etc/first")
        story.writes(1, "first\n")
        story.execs(1, "ccache gcc -c x.c")
        story.execs(1, "gcc -c x.c", path="/opt/gcc", error=13)
        story.execs(1, "gcc -c x.c")
        story.fails(1, "openat", 2, "/etc/last")
        story.writes(1, "last\n")
    trace = story.trace()

    shell, ccache, gcc = trace.spans
    assert [span.process for span in trace.spans] == [trace.root] * 3
    assert gcc.parent is ccache
    assert ccache.parent is shell
    assert shell.stderr == "first\n"
    assert gcc.stderr == "last\n"
    assert [error.paths for error in shell.errors] == [("/etc/first",)]
    assert [error.paths for error in gcc.errors] == [("/etc/last",)]
    assert [refused.path for refused in ccache.failed_execs] == ["/opt/gcc"]
    assert (shell.exit, ccache.exit) == (None, None)
    assert gcc.exit is _root(trace).exit
    assert (shell.end_ns, ccache.end_ns) == (ccache.start_ns, gcc.start_ns)
    assert len(_root(trace).errors) == 2


def test_a_fork_that_has_not_execd_runs_its_parents_image() -> None:
    """The look-up of a command on PATH happens in a vfork child: it is gcc that did not find `as`."""
    story = Story()
    with story.process(1, "gcc -c x.c", status=1):
        story.forks(1, 2)
        for folder in ("/usr/local/bin", "/usr/bin"):
            story.execs(2, "as -o x.o", path=f"{folder}/as", error=2)
        story.exits(2, status=127)
    trace = story.trace()

    (gcc,) = trace.spans
    vforked = trace.processes[1]
    assert vforked.spans == []
    assert [refused.path for refused in vforked.failed_execs] == ["/usr/local/bin/as", "/usr/bin/as"]
    assert gcc.failed_execs == vforked.failed_execs
    assert gcc.process.failed_execs == []
    assert _status(vforked) == 127
    assert _status(gcc) == 1


def test_a_child_belongs_to_the_image_that_forked_it_not_to_a_later_one() -> None:
    story = Story()
    with story.process(1, "sh x"):
        story.forks(1, 2)
        story.execs(1, "go build")
        story.execs(2, "sleep 1")
        story.exits(2)
    shell, go, sleep = story.trace().spans
    assert sleep.parent is shell
    assert shell.end_ns == go.start_ns


def test_a_child_s_exec_does_not_end_its_parent_s_image() -> None:
    story = Story()
    story.execs(1, "sh x")
    story.forks(1, 2)
    story.execs(2, "sleep 1")
    assert [span.end_ns for span in story.trace().spans] == [None, None]


def test_an_exec_by_another_thread_than_the_first_is_the_process_s_next_image() -> None:
    story = Story()
    story.execs(10, "go build")
    story.execs(10, "go build", tid=14)
    story.exits(10)
    trace = story.trace()
    assert len(trace.processes) == 1
    assert [span.process.pid for span in trace.spans] == [10, 10]


@pytest.mark.parametrize("exit_seen", [True, False], ids=["after its exit", "though its exit was lost"])
def test_a_reused_pid_is_another_process(exit_seen: bool) -> None:
    story = Story()
    story.execs(1, "go build")
    story.forks(1, 2)
    story.execs(2, "gcc -c a.c")
    story.fails(2, "openat", 2, "a")
    if exit_seen:
        story.exits(2, status=1)
    story.forks(1, 2)
    story.execs(2, "gcc -c b.c")
    story.fails(2, "openat", 2, "b")
    story.exits(2)
    trace = story.trace()

    _root, first, second = trace.processes
    assert (first.pid, second.pid) == (2, 2)
    assert [error.paths for error in first.errors] == [("a",)]
    assert [error.paths for error in second.errors] == [("b",)]
    assert (first.exit and first.exit.status) == (1 if exit_seen else None)
    assert (first.end_ns is not None) == exit_seen
    assert _status(second) == 0
    assert trace.spans[1].failed == exit_seen


def test_a_pid_that_no_fork_announced_after_its_exit_is_another_process_without_a_parent() -> None:
    story = Story()
    story.forks(1, 2)
    story.exits(2)
    story.execs(2, "gcc -c a.c")
    trace = story.trace()
    assert [(process.pid, process.parent and process.parent.pid) for process in trace.processes] == [
        (1, None),
        (2, 1),
        (2, None),
    ]


@pytest.mark.parametrize("what", ["fails", "exits", "execs", "refused", "writes", "forks"])
def test_any_event_of_an_unannounced_pid_makes_a_process_without_a_parent(what: str) -> None:
    story = Story()
    tell = {
        "fails": lambda: story.fails(7, "openat", 2, "/x"),
        "exits": lambda: story.exits(7, status=3),
        "execs": lambda: story.execs(7, "gcc"),
        "refused": lambda: story.execs(7, "gcc", error=2),
        "writes": lambda: story.writes(7, "x"),
        "forks": lambda: story.forks(7, 8),
    }
    tell[what]()
    process = story.trace().processes[0]
    assert (process.pid, process.parent) == (7, None)
    assert process.start_ns == story.events[0].ts_ns


def test_what_is_lost_or_known_about_the_whole_is_kept_in_order() -> None:
    story = Story()
    story.loses("syscall_error", 3)
    story.fact("compiler", "/usr/bin/gcc", target="x86_64-linux-gnu")
    story.loses("unknown", 1)
    trace = story.trace()
    assert [lost.count for lost in trace.lost] == [3, 1]
    assert trace.fact("compiler", "/usr/bin/gcc") == {"target": "x86_64-linux-gnu"}
    assert (trace.root, trace.processes, trace.spans) == (None, [], [])


def test_the_command_fact_names_the_root() -> None:
    story = Story()
    story.runs(5, "systemctl status")
    story.runs(9, "go build")
    story.fact("command", pid=9, exit=0)
    trace = story.trace()
    assert _root(trace).pid == 9


def test_without_that_fact_the_root_is_the_first_exec_s_process() -> None:
    story = Story()
    story.forks(3, 4)
    story.runs(4, "go build")
    assert _root(story.trace()).pid == 4


def test_damage_is_handed_on() -> None:
    assert build(Header(), [], damage="cut off in line 7").damage == "cut off in line 7"


@pytest.mark.parametrize("command", ["sh again.sh", "gcc -c x.c", "go build"])
def test_a_program_that_execs_itself_for_ever_is_no_problem(command: str) -> None:
    story = Story()
    for _ in range(5000):
        story.execs(1, command)
    trace = story.trace()
    assert sum(1 for _ in trace.spans[0].descendants()) == 4999
    assert sum(1 for _ in trace.spans[-1].ancestors()) == 4999


def _landed(trace: Trace) -> tuple[Counter[int], Counter[int]]:
    """How often each event is found in the processes, and in the spans."""
    in_processes: Counter[int] = Counter()
    in_spans: Counter[int] = Counter()
    for process in trace.processes:
        in_processes.update(map(id, [*process.errors, *process.failed_execs, *process.output]))
        in_processes.update(map(id, [span.exec for span in process.spans]))
        in_processes.update([id(process.exit)] if process.exit else [])
    for span in trace.spans:
        in_spans.update(map(id, [span.exec, *span.errors, *span.failed_execs, *span.output]))
        in_spans.update([id(span.exit)] if span.exit else [])
    return in_processes, in_spans


def _whole_story() -> list[KnownEvent]:
    story = Story()
    go_build(story)
    story.fails(1, "openat", 2, "/late")  # after the exit: a gap
    for pid in (2, 10, 18):
        story.fails(pid, "readlink", 22, "/x")
        story.writes(pid, "words\n")
    story.loses("exec", 2)
    story.fact("command", pid=1, exit=0)
    return story.events


_EVENTS = _whole_story()


@settings(max_examples=150, deadline=None)
@given(st.sets(st.integers(0, len(_EVENTS) - 1)))
def test_whatever_is_lost_every_event_lands_exactly_once(kept: set[int]) -> None:
    events = [_EVENTS[index] for index in sorted(kept)]
    trace = build(Header(), events)

    in_processes, in_spans = _landed(trace)
    for event in events:
        match event:
            case Exec() | Exit() | SyscallError() | Output():
                assert in_processes[id(event)] == 1
                assert in_spans[id(event)] <= 1
                if isinstance(event, Exec) and not event.error:
                    assert in_spans[id(event)] == 1
            case Fork():
                begun = [p for p in trace.processes if p.pid == event.child_pid and p.start_ns == event.ts_ns]
                assert len(begun) == 1
                assert begun[0].parent is not None
                assert begun[0].parent.pid == event.pid
                assert begun[0] in begun[0].parent.children
            case Fact():
                assert event in trace.facts
            case Lost():
                assert event in trace.lost
    for span in trace.spans:
        assert span.parent is None or span in span.parent.children
        assert (span.build is None) or span in span.build.spans
