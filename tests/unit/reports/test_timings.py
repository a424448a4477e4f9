"""How long each rule took, the slowest first."""

from __future__ import annotations

import json

from gotrace.reports.json_report import JsonReport
from gotrace.reports.timings import rule_timings
from gotrace.rules.finding import Diagnosis
from tests.unit.reports.made import trace

TOOK = Diagnosis(timings={"GT101": 0.001, "GT201": 0.0205, "GT999": 0.0})


def test_one_line_for_each_rule() -> None:
    assert rule_timings(TOOK).splitlines() == [
        "gotrace: 3 rules took 21.5 ms",
        "    20.50 ms  GT201 missing-header",
        "     1.00 ms  GT101 wrong-target-compiler",
        "     0.00 ms  GT999",
    ]


def test_in_json_only_where_asked_for() -> None:
    assert "timings" not in json.loads(JsonReport().render(trace(failed=False), TOOK))
    told = json.loads(JsonReport(timings=True).render(trace(failed=False), TOOK))
    assert list(told["timings"].items()) == [("GT201", 0.0205), ("GT101", 0.001), ("GT999", 0)]
