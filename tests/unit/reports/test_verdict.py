"""What is said where nothing was found: never more than the recording shows."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from gotrace.events.model import Exit, Fact, Lost, Output
from gotrace.events.tools import Role
from gotrace.reports.terminal import TerminalReport
from gotrace.reports.verdict import not_known, on_fresh_cache, remark, verdict
from gotrace.rules.finding import Diagnosis, NotEvaluated
from gotrace.trace.model import Build, BuildTarget, Span, Trace
from tests.unit.reports.made import S, span, trace, wrong_compiler


def from_cache() -> Trace:
    """A build that succeeded and compiled nothing."""
    made = trace(failed=False)
    made.spans[:] = made.spans[:1]
    made.builds[0].spans.clear()
    return made


def linked_only(go: Span, status: int = 0) -> Build:
    """A go command that compiled one package main and linked it: the rest came from the cache."""
    compile_main = span(("compile", "-p", "main"), Role.COMPILE, 300, start=1, end=2, package="ex/app", parent=go)
    link = span(("link",), Role.LINK, 301, start=2, end=3, status=status, parent=go)
    return Build(go, "build", (), (), BuildTarget(), spans=[go, compile_main, link])


def damaged(made: Trace) -> None:
    made.damage = "it is cut off inside line 7"


def lossy(made: Trace) -> None:
    made.lost.append(Lost(ts_ns=S, pid=0, what="exec", count=1, reason="the ring was full"))


def endless(made: Trace) -> None:
    made.facts.clear()
    assert made.root is not None
    made.root.exit = made.spans[0].exit = None


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (damaged, "gotrace: cannot be judged: the recording is damaged: "),
        (endless, "gotrace: cannot be judged: the recording ends before the command did: "),
        (lossy, "gotrace: cannot be judged wholly: events were lost: "),
    ],
)
def test_what_is_not_whole_is_no_success(harm: Callable[[Trace], None], said: str) -> None:
    assert verdict(from_cache(), Diagnosis()).startswith("gotrace: no problem found: ")
    assert "came from the build cache" in remark(from_cache())
    made = from_cache()
    harm(made)
    assert verdict(made, Diagnosis()).startswith(said)
    assert remark(made) == ""


def test_of_a_damaged_recording_the_failure_is_told_all_the_same() -> None:
    made = trace(failed=True)
    damaged(made)
    said = "cannot be judged: the recording is damaged, and the command ended with exit status 1"
    assert said in verdict(made, Diagnosis())


def test_nothing_but_a_header_proves_nothing() -> None:
    empty = Trace(trace(failed=False).header)
    said = "cannot be judged: the recording ends before the command did: 0 processes; what came after is not known"
    assert verdict(empty, Diagnosis()) == f"gotrace: {said}"
    assert remark(empty) == ""


@pytest.mark.parametrize(
    ("status", "killed_by", "how"),
    [(1, None, "a go build in it ended with exit status 1"), (None, 9, "a go build in it was killed by SIGKILL")],
)
def test_a_failed_build_is_told_though_the_command_succeeded(
    status: int | None, killed_by: int | None, how: str
) -> None:
    made = trace(failed=True)
    made.facts[0].data["exit"] = 0
    made.spans[0].exit = Exit(ts_ns=S, pid=100, status=status, signal=killed_by)
    assert verdict(made, Diagnosis()).startswith(f"gotrace: no known problem found, though {how}: ")


def test_several_failed_builds_are_counted_one_within_another_once() -> None:
    made = trace(failed=True)
    made.facts[0].data["exit"] = 0
    inner = span(("go", "build"), Role.GO, 200, start=1, end=2, status=1, parent=made.spans[0])
    made.builds.append(Build(inner, "build", (), (), BuildTarget()))
    assert "though a go build in it ended with exit status 1" in verdict(made, Diagnosis())
    other = span(("go", "vet"), Role.GO, 201, start=1, end=2, status=1)
    made.builds.append(Build(other, "vet", (), (), BuildTarget()))
    assert "though 2 go commands in it failed" in verdict(made, Diagnosis())


@pytest.mark.parametrize(("own_exit", "how"), [(1, "the command ended with exit status 1"), (0, "a go build in it")])
def test_what_the_process_connector_saw_of_a_failure_is_no_judgement(own_exit: int, how: str) -> None:
    made = trace(failed=True)
    made.facts[0].data["exit"] = own_exit
    made.header.observes = ("execs", "from_start")
    said = "cannot be judged: it was seen which programs ran, not why one failed, and "
    assert verdict(made, Diagnosis()).startswith(f"gotrace: {said}{how}")
    made.header.observes = ("execs", "failed_paths", "from_start")
    assert verdict(made, Diagnosis()).startswith(f"gotrace: no known problem found, though {how}")


def test_a_package_whose_compile_failed_was_not_compiled() -> None:
    made = trace(failed=True)
    assert "1 package compiled" in verdict(made, Diagnosis())
    made.spans[1].exit = Exit(ts_ns=S, pid=101, status=2)
    assert "0 packages compiled" in verdict(made, Diagnosis())


def test_where_no_go_command_ran_that_is_said() -> None:
    made = trace(failed=False)
    made.spans[:] = [span(("docker", "build", "."), Role.OTHER, 100, start=0, end=3)]
    made.builds.clear()
    assert verdict(made, Diagnosis()).startswith("gotrace: no go command was seen: ")
    assert "docker" in remark(made)


@pytest.mark.parametrize(
    ("subcommand", "flags", "says"),
    [
        ("vet", (), ""),
        ("test", (), ""),
        ("build", ("-n",), ""),
        ("build", (), 'go: warning: "./..." matched no packages\n'),
    ],
)
def test_only_a_build_of_something_is_said_to_come_from_the_cache(
    subcommand: str, flags: tuple[str, ...], says: str
) -> None:
    made = from_cache()
    made.builds[:] = [Build(made.spans[0], subcommand, flags, (), BuildTarget())]
    made.spans[0].output.append(Output(ts_ns=1, pid=100, text=says))
    assert remark(made) == ""


def test_a_build_that_took_packages_from_the_cache_says_what_was_not_seen() -> None:
    made = trace(failed=False)
    made.builds[:] = [linked_only(made.spans[0])]
    assert remark(made) == "gotrace: packages came from the build cache; --fresh compiles all anew"
    cold = span(("go", "build"), Role.GO, 400, start=4, end=5)
    of_runtime = span(("compile",), Role.COMPILE, 401, start=4, end=5, package="runtime", parent=cold)
    made.builds.append(Build(cold, "build", (), (), BuildTarget(), spans=[cold, of_runtime]))
    assert "1 of 2 go commands took packages from the build cache" in remark(made)
    made.builds.reverse()  # now the other one had them from what this recording has seen
    assert remark(made) == ""


@pytest.mark.parametrize("failed", [False, True])
def test_beside_a_finding_it_is_said_where_the_command_ended_well(failed: bool) -> None:
    made = trace(failed=failed)
    made.builds[:] = [linked_only(made.spans[0])]
    told = TerminalReport(width=200).render(made, wrong_compiler(made))
    assert ("gotrace: packages came from the build cache" in told) is not failed


def with_private_cache(made: Trace, *folders: str) -> Trace:
    """Go commands with these build caches, where --fresh gave the command /tmp/private."""
    made.facts.append(Fact(ts_ns=S, pid=0, name="fresh_cache", subject="/tmp/private"))
    made.builds[:] = [linked_only(span(("go", "build"), Role.GO, 500 + n, start=0, end=4)) for n in range(len(folders))]
    for build, folder in zip(made.builds, folders, strict=True):
        build.span.exec = msgspec.structs.replace(build.span.exec, env={"GOCACHE": folder})
    return made


@pytest.mark.parametrize(
    ("folders", "said"),
    [
        (["/tmp/private"], "built with an empty build cache of its own (--fresh), which is removed again"),
        (["/own"], "--fresh had no effect: the command gives go another GOCACHE"),
        (["/tmp/private", "/o"], "--fresh had no effect on 1 of 2 go commands: the command gives them another GOCACHE"),
    ],
)
def test_a_fresh_cache_is_told_and_whether_it_was_used(folders: list[str], said: str) -> None:
    made = with_private_cache(trace(failed=False), *folders)
    assert remark(made) == on_fresh_cache(made) == f"gotrace: {said}"
    failed = with_private_cache(trace(failed=True), *folders)
    assert said in TerminalReport(width=200).render(failed, wrong_compiler(failed))
    assert said not in TerminalReport(width=200, quiet=True).render(failed, wrong_compiler(failed))


def test_rules_with_the_same_reason_share_a_line() -> None:
    undecided = [NotEvaluated("GT101", "a", "no"), NotEvaluated("GT102", "b", "why"), NotEvaluated("GT103", "c", "no")]
    assert list(not_known(trace(failed=False), Diagnosis(not_evaluated=undecided))) == [
        ("not evaluated", "GT101 a, GT103 c: no"),
        ("not evaluated", "GT102 b: why"),
    ]


def test_a_reason_that_repeats_the_damage_is_cut_short() -> None:
    made = trace(failed=True)
    damaged(made)
    reason = f"it found nothing, but the recording is damaged: {made.damage}"
    assert list(not_known(made, Diagnosis([], [NotEvaluated("GT1", "a", reason)]))) == [
        ("damaged", made.damage),
        ("not evaluated", "GT1 a: it found nothing, but the recording is damaged"),
    ]


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        (Lost(ts_ns=S, pid=0, what="exec", count=2, reason="r"), "2 exec events: r"),
        (Lost(ts_ns=S, pid=0, what="exec", count=2, reason="r", exact=False), "at most 2 exec events: r"),
        (
            Lost(ts_ns=S, pid=0, what="unknown", count=1, reason="r", exact=False, since_ns=S),
            "an unknown number of events: r",
        ),
    ],
)
def test_how_much_was_lost(lost: Lost, said: str) -> None:
    made = trace(failed=True)
    made.lost.append(lost)
    assert ("lost", said) in list(not_known(made, Diagnosis()))


def test_what_was_lost_is_not_told_twice() -> None:
    made = trace(failed=True)
    made.lost.append(Lost(ts_ns=S, pid=0, what="unknown", count=1, reason="the tracer was killed", exact=False))
    made.header.degraded = ("watched by ptrace", "the tracer was killed")
    assert list(not_known(made, Diagnosis())) == [
        ("lost", "at most 1 unknown event: the tracer was killed"),
        ("degraded", "watched by ptrace"),
    ]
