"""Recordings of real failures as the process connector would have seen them: which programs ran, and no more."""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Sequence

import pytest
from msgspec.structs import replace

from gotrace.events.model import Exec, KnownEvent, Output, SyscallError
from gotrace.events.recording import read_recording
from gotrace.reports.terminal import TerminalReport
from gotrace.rules import registry
from gotrace.rules.engine import OF_A_BUILD, OF_A_RUN, diagnose
from gotrace.rules.finding import Diagnosis
from gotrace.trace.builder import build
from gotrace.trace.model import Trace
from tests.unit.rules.test_recordings import CLEAN, FOUND, RECORDINGS

BY_GOS_WORDS = "cgo-disabled-by-go-env"
"""Its cause is decided by what the go command says: that a name is not defined."""
OBSERVED = frozenset({"execs", "from_start"})
BY_EXECS_ALONE = {
    "compiler-killed",
    "vcs-stamping-failed",
    "wrong-target-compiler",
    "all-threads-syscall",
    "c-memory-growth",
    "cgo-disabled",
    "clock-read-by-system-call",
    "fork-from-cgo",
    "glibc-libraries-in-musl-build",
    "musl-linked-by-host-cxx",
    "static-flag-ignored",
    "static-glibc-needs-nss",
    "two-word-compiler",
}
"""What can be decided without a failing call (some of them only where tools or programs were asked), and of builds
and runs that went well."""


def unseen(event: KnownEvent) -> bool:
    return isinstance(event, SyscallError | Output) or (isinstance(event, Exec) and event.error != 0)


def seen(name: str, *, probed: bool) -> tuple[Trace, list[KnownEvent]]:
    recording = read_recording(RECORDINGS / f"{name}.gotrace.zst")
    header = recording.header
    header.source, header.observes = "netlink", (*sorted(OBSERVED), *(["probed"] if probed else []))
    events = [event for event in recording.events if not unseen(event)]
    assert len(events) < len(recording.events) or header.running  # a program may do all without a failing call
    return build(header, events), events


def needing_more(trace: Trace, observed: Collection[str]) -> set[str]:
    """Rules that such a capture gives nothing to go by; of a build nobody asks how a program fares, nor of a run
    in which nothing was built how builds do."""
    if trace.header.running:
        asked = [rule for rule in registry.rules() if not rule.code.startswith(OF_A_BUILD)]
    else:
        asked = [rule for rule in registry.rules() if not rule.needs & OF_A_RUN]
    return {rule.name for rule in asked if not rule.needs <= set(observed)}


def names(diagnosis: Diagnosis) -> list[str]:
    return [finding.name for finding in diagnosis.findings]


@pytest.mark.parametrize("probed", [True, False])
@pytest.mark.parametrize("name", [*FOUND, *CLEAN])
def test_every_rule_that_needs_more_is_not_evaluated(name: str, *, probed: bool) -> None:
    trace, _ = seen(name, probed=probed)
    diagnosis = diagnose(trace)
    observed = OBSERVED | ({"probed"} if probed else set())
    need_more = needing_more(trace, observed)
    unheard = {"cgo-disabled"} if name == BY_GOS_WORDS else set()
    assert {one.name for one in diagnosis.not_evaluated} == need_more | unheard
    expected = FOUND.get(name) if name != BY_GOS_WORDS else None
    assert names(diagnosis) == ([expected] if expected in BY_EXECS_ALONE - need_more else [])


@pytest.mark.parametrize("name", [key for key, rule in FOUND.items() if rule not in BY_EXECS_ALONE])
def test_a_failure_whose_cause_was_not_seen_is_not_judged(name: str) -> None:
    trace, _ = seen(name, probed=True)
    told = TerminalReport(width=200).render(trace, diagnose(trace))
    assert told.startswith("gotrace: cannot be judged: it was seen which programs ran, not why one failed, and ")
    words = " ".join(told.split())  # the list of rules is wrapped
    assert re.search(
        "GT501 missing-ca-certificates[^:]*: the capture did not observe failing calls that take a path", words
    )
    assert "no known problem" not in told


def test_a_build_that_went_well_says_how_many_rules_had_nothing_to_go_by() -> None:
    trace, _ = seen("healthy-cold", probed=True)
    told = TerminalReport(width=200).render(trace, diagnose(trace))
    assert told.startswith("gotrace: no problem found: ")
    number = len(needing_more(trace, OBSERVED | {"probed"}))
    assert f"{number} rules not evaluated" in told.splitlines()[0]


def forgetful(events: Sequence[KnownEvent], chance: random.Random) -> list[KnownEvent]:
    """A process may be gone before its command line is read."""
    return [
        replace(event, argv=None, env=None, cwd=None) if isinstance(event, Exec) and chance.random() < 0.3 else event
        for event in events
    ]


@pytest.mark.parametrize("name", [*FOUND, *CLEAN])
def test_command_lines_that_were_not_read_make_no_rule_fail_and_none_find_what_is_not_there(name: str) -> None:
    trace, events = seen(name, probed=True)
    for seed in range(5):
        diagnosis = diagnose(build(trace.header, forgetful(events, random.Random(seed))))
        assert set(names(diagnosis)) <= {FOUND.get(name)}
        assert [one for one in diagnosis.not_evaluated if "the rule failed" in one.reason] == []
