"""Whether a skipped scenario may pass: not where GOTRACE_REQUIRE=all says that everything has to be there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

from gotrace.scenario.model import Scenario
from gotrace.scenario.result import ScenarioResult, Status

VARIABLE = "GOTRACE_REQUIRE"


def judged(scenario: Scenario, result: ScenarioResult, environ: Mapping[str, str] = os.environ) -> ScenarioResult:
    """The result, a failure in place of a skip where nothing may be skipped. Virtual machines always may."""
    in_machine = any(act.environment.kind == "vm" for act in scenario.acts)
    if result.status is not Status.SKIPPED or environ.get(VARIABLE) != "all" or in_machine:
        return result
    return replace(result, status=Status.FAILED, why=f"{VARIABLE}=all allows no skip: {result.why}")
