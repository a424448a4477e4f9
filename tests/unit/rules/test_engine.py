"""The engine: what is not decided never counts as clean; causes come before their consequences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from gotrace.events.facets import Facet
from gotrace.rules import registry
from gotrace.rules.base import Rule, UndecidedError
from gotrace.rules.engine import OF_A_BUILD, OF_A_RUN, diagnose, folded, unexplained
from gotrace.rules.finding import Diagnosis, Evidence, Finding, Severity
from gotrace.rules.steps import span_key
from gotrace.trace.model import Trace
from tests.unit.rules.scenes import EVERYTHING
from tests.unit.trace.events_for import Story


def finding(name: str, at: int = 1, *, severity: Severity = Severity.ERROR, keys: set[str] | None = None) -> Finding:
    code = f"GT{100 + sum(map(ord, name)) % 800}"
    proof = [Evidence(at, 1, f"{name} at {at}", "exit")]
    return Finding(code, name, severity, f"{name} at {at}", None, proof, [], explains=frozenset(keys or ()))


class Finds(Rule):
    code = "GT101"
    name = "finds"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS})

    def check(self, trace: Trace) -> Iterator[Finding]:
        yield finding("finds")


class Silent(Finds):
    code = "GT102"
    name = "silent"
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.FAILED_PATHS})

    def check(self, trace: Trace) -> Iterator[Finding]:
        yield from ()


class FromAbsence(Finds):
    code = "GT103"
    name = "from-absence"
    infers_from_absence = frozenset({"exec"})


class Raises(Finds):
    code = "GT104"
    name = "raises"

    def check(self, trace: Trace) -> Iterator[Finding]:
        raise KeyError("oops")


class FindsAndGivesUp(Finds):
    code = "GT105"
    name = "finds-and-gives-up"

    def check(self, trace: Trace) -> Iterator[Finding]:
        yield finding("first")
        raise UndecidedError("the second go command did not answer")


def trace(*lost: str, observes: tuple[str, ...] = EVERYTHING) -> Trace:
    story = Story()
    story.runs(1, "go build .")
    for what in lost:
        story.loses(what, 3)
    return story.trace(observes=observes)


def test_a_rule_that_lacks_a_facet_is_not_evaluated() -> None:
    diagnosis = diagnose(trace(observes=("execs",)), [Finds, Silent])

    assert [found.name for found in diagnosis.findings] == ["finds"]
    (undecided,) = diagnosis.not_evaluated
    assert (undecided.code, undecided.name) == ("GT102", "silent")
    assert undecided.reason == "the capture did not observe failing calls that take a path"


def test_a_silent_rule_is_clean_where_nothing_was_lost() -> None:
    assert diagnose(trace(), [Silent]).not_evaluated == []


@pytest.mark.parametrize("what", ["syscall_error", "exit", "unknown"])
def test_a_silent_rule_is_not_clean_where_its_events_were_lost(what: str) -> None:
    (undecided,) = diagnose(trace(what), [Silent]).not_evaluated

    assert undecided.reason == f"it found nothing, but 3 {what} events could not be delivered"


def test_events_that_it_does_not_need_may_be_lost() -> None:
    assert diagnose(trace("output"), [Silent]).not_evaluated == []


def test_a_finding_by_what_was_seen_stands_whatever_was_lost() -> None:
    diagnosis = diagnose(trace("exec"), [Finds])

    assert [found.name for found in diagnosis.findings] == ["finds"]
    assert diagnosis.not_evaluated == []


def test_a_finding_by_what_was_not_seen_does_not_stand() -> None:
    diagnosis = diagnose(trace("exec"), [FromAbsence])

    assert diagnosis.findings == []
    assert "what did not happen, and 3 exec events could not be delivered" in diagnosis.not_evaluated[0].reason


class OfBuilds(Finds):
    code = "GT204"
    name = "of-builds"
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.FROM_START})


class OfRuns(OfBuilds):
    code = "GT306"
    name = "of-runs"


def undecided_of_a_run(command: str, *lost: str, damage: str | None = None, **header: Any) -> list[str]:
    """What is not evaluated of a program that `gotrace attach` found running."""
    story = Story()
    story.runs(1, command)
    for what in lost:
        story.loses(what)
    seen = story.trace(**{"observes": ("execs",), "running": True, **header})
    seen.damage = damage
    return [one.name for one in diagnose(seen, [OfBuilds, OfRuns]).not_evaluated]


def test_of_a_run_in_which_nothing_was_built_nobody_asks_about_builds() -> None:
    assert undecided_of_a_run("./app") == ["of-runs"]
    assert undecided_of_a_run("./app", "syscall_error") == ["of-runs"]


@pytest.mark.parametrize("command", ["go test ./...", "gcc app.c"])
def test_of_a_run_that_builds_rules_about_builds_are_asked(command: str) -> None:
    assert undecided_of_a_run(command) == ["of-builds", "of-runs"]


@pytest.mark.parametrize("what", ["exec", "unknown"])
def test_where_an_exec_may_be_missing_something_may_have_been_built(what: str) -> None:
    assert undecided_of_a_run("./app", what) == ["of-builds", "of-runs"]


def test_where_execs_were_not_seen_or_cut_off_something_may_have_been_built() -> None:
    assert undecided_of_a_run("./app", observes=("from_start",)) == ["of-builds", "of-runs"]
    assert undecided_of_a_run("./app", damage="cut off after event 7") == ["of-builds", "of-runs"]


def test_no_rule_about_builds_needs_what_only_a_run_shows() -> None:
    of_builds = [rule for rule in registry.rules() if rule.code.startswith(OF_A_BUILD)]
    assert len(of_builds) > 30
    assert [rule.code for rule in of_builds if rule.needs & OF_A_RUN] == []


def test_a_damaged_recording_makes_nothing_clean() -> None:
    damaged = trace()
    damaged.damage = "cut off after event 7"

    diagnosis = diagnose(damaged, [Finds, Silent])

    assert [found.name for found in diagnosis.findings] == ["finds"]
    assert diagnosis.not_evaluated[0].reason.endswith("the recording is damaged: cut off after event 7")


def test_one_raising_rule_does_not_stop_the_others() -> None:
    diagnosis = diagnose(trace(), [Raises, Finds])

    assert [found.name for found in diagnosis.findings] == ["finds"]
    assert diagnosis.not_evaluated[0].reason == "the rule failed: KeyError: 'oops'"


def test_what_a_rule_found_before_it_gave_up_counts() -> None:
    diagnosis = diagnose(trace(), [FindsAndGivesUp])

    assert [found.name for found in diagnosis.findings] == ["first"]


def test_every_rule_has_its_time() -> None:
    diagnosis = diagnose(trace(), [Finds, Silent, Raises])

    assert set(diagnosis.timings) == {"GT101", "GT102", "GT104"}
    assert all(seconds >= 0 for seconds in diagnosis.timings.values())


def test_causes_come_before_their_consequences() -> None:
    roots = folded(
        [finding("effect", 1, keys={"span:7:1"}), finding("cause", 2, keys={"span:7:1", "cc:gcc"})],
        {"effect": ("cause",)},
    )

    assert [root.name for root in roots] == ["cause"]
    assert [consequence.name for consequence in roots[0].consequences] == ["effect"]


def test_a_chain_of_causes() -> None:
    roots = folded(
        [finding("c", keys={"y"}), finding("b", keys={"x", "y"}), finding("a", keys={"x"})],
        {"b": ("a",), "c": ("b",)},
    )

    assert [root.name for root in roots] == ["a"]
    assert roots[0].consequences[0].consequences[0].name == "c"


def test_without_a_common_key_both_are_root_causes() -> None:
    roots = folded(
        [finding("effect", 2, keys={"span:8:1"}), finding("cause", 1, keys={"span:7:1"})], {"effect": ("cause",)}
    )

    assert [root.name for root in roots] == ["cause", "effect"]


def test_a_common_key_alone_folds_nothing() -> None:
    roots = folded([finding("a", 1, keys={"k"}), finding("b", 2, keys={"k"})], {})

    assert [root.name for root in roots] == ["a", "b"]


def test_errors_go_first_then_time() -> None:
    roots = folded(
        [finding("late", 9), finding("warning", 1, severity=Severity.WARNING), finding("early", 3)],
        {},
    )

    assert [root.name for root in roots] == ["early", "late", "warning"]


def test_the_same_said_twice_is_one_finding() -> None:
    roots = folded([finding("a", 1, keys={"x"}), finding("a", 1, keys={"y"})], {})

    assert [root.explains for root in roots] == [frozenset({"x", "y"})]


def test_a_failed_tool_that_no_finding_accounts_for_is_unexplained() -> None:
    story = Story()
    with story.process(1, "make all", status=2), story.process(2, "go build .", parent=1, status=1):
        story.runs(3, "gcc -c a.c", parent=2, status=1)
        story.runs(4, "compile -p ex/b -importcfg x b.go", parent=2, status=2)
        with story.process(5, "cgo -objdir x -- a.go", parent=2, status=0):
            story.runs(6, "gcc -c expected.c", parent=5, status=1)
    seen = story.trace(observes=EVERYTHING)
    gcc = next(span for span in seen.spans if span.process.pid == 3)
    below = finding("below", keys={span_key(gcc)})
    above = finding("above")
    above.consequences.append(below)

    assert [span.process.pid for span in unexplained(seen, Diagnosis())] == [3, 4]
    assert [span.process.pid for span in unexplained(seen, Diagnosis([above]))] == [4]


def test_a_go_command_that_failed_by_itself_is_the_failed_tool() -> None:
    story = Story()
    with story.process(1, "make all", status=2):
        story.runs(2, "go build .", parent=1, status=1)

    assert [span.process.pid for span in unexplained(story.trace(), Diagnosis())] == [2]


class BlamesTheGoCommand(Finds):
    def check(self, trace: Trace) -> Iterator[Finding]:
        for build in trace.builds:
            one = finding("finds")
            one.span = build.span
            one.message = "It broke."
            yield one


@pytest.mark.parametrize(
    ("status", "severity", "message"),
    [(0, "warning", "It broke; the command went on and succeeded."), (1, "error", "It broke.")],
)
def test_a_failure_that_the_command_got_over_is_a_warning(status: int, severity: str, message: str) -> None:
    story = Story()
    with story.process(1, "sh -c 'go build || true'", status=status):
        story.runs(2, "go build .", parent=1, status=1)

    (found,) = diagnose(story.trace(observes=EVERYTHING), [BlamesTheGoCommand]).findings

    assert (found.severity, found.message) == (severity, message)


@pytest.mark.parametrize(
    ("shell", "second", "severities"),
    [
        ("sh -c 'go build || go build -tags x'", 1, ["warning", "error"]),
        ("make all", 1, ["error", "error"]),  # make -k goes on with what does not need the first
        ("sh -c 'go build; go vet; false'", 0, ["error"]),  # the script may have kept the first one's status
    ],
)
def test_a_failure_after_which_a_shell_ran_another_go_command_that_failed_is_a_warning(
    shell: str, second: int, severities: list[str]
) -> None:
    story = Story()
    with story.process(1, shell, status=1):
        story.runs(2, "go build .", parent=1, status=1)
        story.runs(3, "go build -tags x .", parent=1, status=second)
    trace = story.trace(observes=EVERYTHING)

    class BlamesTheFailed(Finds):
        def check(self, trace: Trace) -> Iterator[Finding]:
            for build in (build for build in trace.builds if build.failed):
                one = finding("finds", build.span.start_ns)
                one.span = build.span
                yield one

    found = diagnose(trace, [BlamesTheFailed]).findings

    assert sorted(one.severity.value for one in found) == sorted(severities)
