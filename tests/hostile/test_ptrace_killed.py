"""Processes that are killed while they are stopped: whatever the stop, nobody hangs and every end is told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.hostile.watched import assert_every_exit_is_told, both, ends, failures

pytestmark = pytest.mark.usefixtures("loop")

Hostile = Callable[[str], str]
STOPS = ["open", "exec", "write", "thread", "signal", "group-stop"]


@pytest.mark.parametrize("stop", STOPS)
def test_killed_in_a_stop_that_the_tracer_has_not_seen_yet(hostile: Hostile, stop: str) -> None:
    run = both(hostile("frozen"), stop)
    assert_every_exit_is_told(run.seen)
    assert run.traced.out == f"{stop}: signal 9\nand 2 others\n"
    assert run.traced.wait_status == 0
    assert ends(run.seen) == {(None, 9): 3, (0, None): 1}


@pytest.mark.parametrize("birth", ["fork", "vfork"])
def test_a_child_whose_parent_is_killed_before_it_could_tell_of_it(hostile: Hostile, birth: str) -> None:
    """It goes on at once, also where others stop all the time; and its end is told."""
    run = both(hostile("frozen"), birth)
    assert_every_exit_is_told(run.seen)
    assert run.traced == run.bare
    (failed,) = failures(run.seen, "/nowhere/of-the-orphan")
    born = next(fork for fork in run.seen.forks() if fork.child_pid == failed.pid)
    assert failed.ts_ns - born.ts_ns < 500_000_000
    assert ends(run.seen) == {(None, 9): 3, (0, None): 1, (7, None): 1}


def test_killed_at_random_moments_of_all_they_do(hostile: Hostile) -> None:
    run = both(hostile("killer"), "300")
    assert_every_exit_is_told(run.seen)
    assert run.seen.lost == []
    assert run.traced.out == run.bare.out
    assert run.traced.out.startswith("killed 300 of 300, 0 of their children ended badly")
    assert ends(run.seen)[None, 9] == 302, "and the two that were busy all the time"
