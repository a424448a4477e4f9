"""The table of `gotrace scenario list`."""

from __future__ import annotations

from collections.abc import Sequence

from gotrace.reports.escape import safe_line
from gotrace.scenario.model import Scenario
from gotrace.scenario.page import environments_of

_HEAD = ("id", "finding", "verdict", "environment", "title")


def catalogue_as_table(scenarios: Sequence[Scenario]) -> str:
    """A line for each; "-" where there is no finding, or no claim that a verdict could be on."""
    rows = [_HEAD, *map(_row, scenarios)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD) - 1)]
    return "".join(
        "  ".join([*(f"{c:{w}}" for c, w in zip(row, widths, strict=False)), row[-1]]) + "\n" for row in rows
    )


def _row(one: Scenario) -> tuple[str, ...]:
    verdict = one.claim.verdict.value if one.claim else "-"
    return tuple(map(safe_line, (one.id, one.rule or "-", verdict, environments_of(one), one.title)))
