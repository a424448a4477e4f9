"""Every scenario for real: reproduced, diagnosed first, fixed, and nothing found with its fix."""

from __future__ import annotations

import os

import pytest

from gotrace.scenario import runner
from gotrace.scenario.loader import catalogue
from gotrace.scenario.model import Scenario
from gotrace.scenario.result import Status

pytestmark = pytest.mark.timeout(900)  # the first build with zig compiles a C++ library; a suite may have to be fetched
UNDER_BOTH = frozenset({"wrong-target-compiler", "compiler-not-found", "missing-header", "missing-library"})
"""`make verify` runs all of them under both sources; here these few are, and all others under one."""

SCENARIOS = sorted(catalogue(), key=lambda scenario: "zig" not in scenario.requires)
"""Zig's first: they take longest, as it compiles a C library and one of C++ for them."""


def passes(scenario: Scenario, backend: str) -> None:
    result = runner.run(scenario, backend)
    if result.status is Status.SKIPPED:
        pytest.skip(result.why)
    told = [f"{act.name}: {' '.join(act.command)}: {why}" for act in result.acts for why in act.why]
    assert result.status is Status.PASSED, "\n".join(told)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.id)
def test_it_is_as_its_file_says(scenario: Scenario) -> None:
    passes(scenario, "ebpf" if os.geteuid() == 0 else "ptrace")


@pytest.mark.root("others have all of them by ptrace")
@pytest.mark.parametrize(
    "scenario", [one for one in SCENARIOS if one.id in UNDER_BOTH], ids=lambda scenario: scenario.id
)
def test_ptrace_sees_the_same(scenario: Scenario) -> None:
    passes(scenario, "ptrace")
