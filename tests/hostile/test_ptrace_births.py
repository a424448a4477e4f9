"""Births and executions in all the ways that Linux has, under ptrace: as without, and each of them seen."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from tests.hostile.watched import assert_harmless, both, ends, failures

pytestmark = pytest.mark.usefixtures("loop")

Hostile = Callable[[str], str]
OF_THE_CHILD = "/nowhere/of-the-child"


@pytest.mark.parametrize(
    "way",
    ["fork", "vm", "files-and-signals", "no-signal", "other-signal", "clone3", "untraced", "clone3-untraced"],
)
def test_a_child_however_it_is_made(hostile: Hostile, way: str) -> None:
    run = both(hostile("clones"), way)
    assert_harmless(run)
    assert f"{way}: its end, exit 7, signal 0" in run.bare.out
    (fork,) = run.seen.forks()
    assert fork.pid == run.seen.pid
    assert [(one.pid, one.errno) for one in failures(run.seen, OF_THE_CHILD)] == [(fork.child_pid, errno.ENOENT)]
    assert ends(run.seen) == {(7, None): 1, (0, None): 1}


def test_a_child_of_vfork_that_executes(hostile: Hostile) -> None:
    run = both(hostile("clones"), "vfork")
    assert_harmless(run)
    assert "the child's memory was ours: 2\n" in run.traced.out
    (fork,) = run.seen.forks()
    assert [one.path for one in run.seen.execs()] == [hostile("clones"), "/bin/sh"]
    assert [(one.pid, one.path, one.error) for one in run.seen.execs(failed=True)] == [
        (fork.child_pid, "/nowhere/program", errno.ENOENT)
    ]


def test_posix_spawn(hostile: Hostile) -> None:
    run = both(hostile("clones"), "spawn")
    assert_harmless(run)
    assert [one.path for one in run.seen.execs(failed=True)] == ["/nowhere/program"]
    assert [one.argv for one in run.seen.execs()][1:] == [("sh", "-c", "test -e /nowhere/of-the-child; exit 7")]
    assert len(failures(run.seen, OF_THE_CHILD)) == 1
    assert ends(run.seen)[7, None] == 1


def test_a_sibling_made_with_clone_parent(hostile: Hostile) -> None:
    """The new process is the caller's sibling; it was born of the caller all the same."""
    run = both(hostile("clones"), "parent")
    assert_harmless(run)
    first, second = run.seen.forks()
    assert (first.pid, second.pid) == (run.seen.pid, first.child_pid)
    assert [one.pid for one in failures(run.seen, OF_THE_CHILD)] == [second.child_pid]


def test_an_exec_from_a_thread(hostile: Hostile) -> None:
    """The leader has ended already; the thread takes its id over."""
    run = both(hostile("leaderless"), "/bin/sh", "-c", "echo here; exit 5")
    assert_harmless(run)
    assert (run.traced.out, run.seen.wait_status) == ("here\n", 5 << 8)
    refused, done = run.seen.execs(failed=True)[0], run.seen.execs()[1]
    (failed,) = failures(run.seen, "/nowhere/of-the-thread")
    assert refused.pid == failed.pid == done.pid == done.tid == run.seen.pid
    assert refused.tid == failed.tid != run.seen.pid
    assert done.argv == ("/bin/sh", "-c", "echo here; exit 5")


def test_sixty_four_threads_that_execute_at_once(hostile: Hostile) -> None:
    run = both(hostile("exec_race"), "200")
    assert_harmless(run)
    assert run.traced.out == "200 of 200\n"
    children = {fork.child_pid for fork in run.seen.forks()}
    winners = [one for one in run.seen.execs() if one.argv and "winner" in one.argv]
    assert len(children) == 200
    assert {one.pid for one in winners} == children
    assert len(winners) == 200
    assert ends(run.seen) == {(5, None): 200, (0, None): 1}


def test_the_oldest_process_is_not_crowded_out_by_its_children(hostile: Hostile) -> None:
    """The kernel tells a tracer of the newest tracee first; without care a parent would wait for seconds for each call.

    Counted in calls, not in seconds: its children make some 5,000 meanwhile, and would make 150,000 and more.
    """
    run = both(hostile("crowded_out"))
    assert_harmless(run)
    old = failures(run.seen, "/nowhere/of-the-old")
    young = failures(run.seen, "/nowhere/of-the-young")
    assert (run.traced.out, len(old)) == ("200\n", 200)
    assert len([one for one in young if old[0].ts_ns < one.ts_ns < old[-1].ts_ns]) < 50_000


def test_a_deep_chain_of_forks(hostile: Hostile) -> None:
    run = both(hostile("processes"), "chain", "300")
    assert_harmless(run)
    parents = {fork.child_pid: fork.pid for fork in run.seen.forks()}
    (last,) = failures(run.seen, "/nowhere/at-the-end")
    depth, pid = 0, last.pid
    while pid in parents:
        depth, pid = depth + 1, parents[pid]
    assert (depth, pid) == (300, run.seen.pid)


def test_two_thousand_programs_at_the_same_time(hostile: Hostile) -> None:
    run = both(hostile("processes"), "crowd", "2000")
    assert_harmless(run)
    children = {fork.child_pid for fork in run.seen.forks()}
    assert len(children) == 2000
    assert {one.pid for one in failures(run.seen, "/nowhere/of-one")} == children
    assert len(failures(run.seen, "/nowhere/of-one")) == 2000
    assert {run.seen.output(pid) for pid in children} == {"one\n"}
    assert all(one.argv == (hostile("processes"), "one", "0") for one in run.seen.execs()[1:])
