"""How long each rule took: for those who write rules."""

from __future__ import annotations

from gotrace.reports.wording import counted
from gotrace.rules import registry
from gotrace.rules.finding import Diagnosis


def slowest_first(diagnosis: Diagnosis) -> dict[str, float]:
    """Seconds by code of the rule."""
    return dict(sorted(diagnosis.timings.items(), key=lambda one: (-one[1], one[0])))


def rule_timings(diagnosis: Diagnosis) -> str:
    """A line for the sum and one for each rule, in milliseconds."""
    names = {rule.code: rule.name for rule in registry.rules()}
    timings = slowest_first(diagnosis)
    lines = [f"gotrace: {counted(len(timings), 'rule')} took {1000 * sum(timings.values()):.1f} ms"]
    lines += [f"{1000 * seconds:>9.2f} ms  {code} {names.get(code, '')}".rstrip() for code, seconds in timings.items()]
    return "\n".join(lines) + "\n"
