"""strace watches what gotrace watches."""

from __future__ import annotations

from bench.rounds import in_rounds
from bench.tracers import strace_calls
from gotrace.sources.ptrace.calls import observed


def names(expression: str) -> list[str]:
    return [name.removeprefix("?") for name in expression.removeprefix("trace=").split(",")]


def test_the_calls_are_those_that_stop_under_gotrace_each_once() -> None:
    assert sorted(names(strace_calls(writes=True))) == sorted({call.name for call in observed()})


def test_only_writes_are_left_out_as_a_favour() -> None:
    assert set(names(strace_calls(writes=True))) - set(names(strace_calls(writes=False))) == {
        "write",
        "writev",
        "pwrite64",
    }


def test_each_round_has_all_and_starts_with_another_one() -> None:
    runs = [*in_rounds(["a", "b", "c"], 4, ["b"])]
    assert runs[0] == (-1, "b")
    rounds = [[name for number, name in runs if number == one] for one in range(4)]
    assert rounds == [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"], ["a", "b", "c"]]
