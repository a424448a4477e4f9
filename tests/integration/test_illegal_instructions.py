"""Instructions that no processor of today knows, and one that compilers put where nobody must come to."""

from __future__ import annotations

from gotrace.capture.facts.instructions import instruction_facts
from gotrace.events.model import Signal

_XOP = "8fe97892c0c5f97ec0c366662e0f1f84"
_UD2 = "0f0b660f1f440000"


def of(code: str) -> list[dict[str, object]]:
    return [fact.data for fact in instruction_facts([Signal(ts_ns=1, pid=1, signal=4, instruction=code)])]


def test_the_feature_that_it_needs_is_named() -> None:
    (data,) = of(_XOP)
    assert (data["instruction"], data["features"]) == ("vprotd", ["xop"])


def test_a_trap_needs_none() -> None:
    (data,) = of(_UD2)
    assert (data["instruction"], data["lacking"]) == ("ud2", [])


def test_bytes_that_are_no_instruction_say_nothing() -> None:
    assert of("") == []
    assert of("06") == []


def test_one_fact_for_each_however_many_threads_met_it() -> None:
    twice = [Signal(ts_ns=ts, pid=1, signal=4, instruction=_UD2) for ts in (1, 2)]
    assert len(list(instruction_facts(twice))) == 1
