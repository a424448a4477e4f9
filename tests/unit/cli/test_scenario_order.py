"""In which order `gotrace scenario verify` begins."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gotrace.cli.scenarios.order import spread


def test_those_that_wait_for_each_other_are_far_apart() -> None:
    jobs = [*"abcdef", "P1", "P2", *"ghijkl"]
    assert spread(jobs, lambda job: job.startswith("P")) == [*"abc", "P1", *"defghi", "P2", *"jkl"]


def test_without_any_nothing_changes() -> None:
    assert spread("abc", lambda _: False) == spread("abc", lambda _: True) == [*"abc"]
    assert spread([], lambda _: True) == []


@given(st.lists(st.tuples(st.booleans(), st.integers())))
def test_none_is_lost_and_each_kind_keeps_its_order(jobs: list[tuple[bool, int]]) -> None:
    placed = spread(jobs, lambda job: job[0])
    for kind in (True, False):
        assert [job for job in placed if job[0] is kind] == [job for job in jobs if job[0] is kind]
