"""What falls short of what a scenario expects, in words."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import pytest

from gotrace.events.model import Exec, Exit, KnownEvent, SyscallError
from gotrace.scenario.expect import Seen, matches, shortfalls
from gotrace.scenario.model import EventPattern, Expectation
from gotrace.scenario.result import DIAGNOSIS

GCC = Exec(ts_ns=1, pid=1, path="/usr/bin/gcc", argv=("gcc", "-c", "x.c"))
NO_GCC = SyscallError(ts_ns=2, pid=1, syscall="newfstatat", errno=2, paths=("/opt/bin/gcc",))


SOURCE = {"file": "/a.go", "line": 3, "column": 1, "text": "x", "package": "ex/a"}


def finding(name: str, message: str = "") -> dict[str, Any]:
    return {"name": name, "message": message}


def report(*findings: dict[str, Any], lost: tuple[object, ...] = ()) -> dict[str, Any]:
    return {"findings": list(findings), "lost": list(lost)}


def pattern(kind: str, least: int = 1, most: int | None = None, **fields: str) -> EventPattern:
    return EventPattern(kind, MappingProxyType(fields), least, most)


HEALTHY = Seen(0, None, "hello\n42\n", report())


class TestNothingFallsShort:
    def test_of_a_healthy_act(self) -> None:
        expected = Expectation(output=("^42$",), not_output=("warning",))
        assert list(shortfalls(expected, HEALTHY)) == []

    def test_of_a_failure_that_was_diagnosed(self) -> None:
        seen = Seen(1, None, "", report(finding("missing-header", "foo.h is nowhere")), (GCC, NO_GCC))
        expected = Expectation(
            exit=1, findings=("missing-header",), message=("foo",), events=(pattern("exec", path="gcc$"),)
        )
        assert list(shortfalls(expected, seen)) == []

    def test_of_a_death_by_the_right_signal(self) -> None:
        assert list(shortfalls(Expectation(exit=None, signal="SIGKILL"), Seen(None, 9, "", report()))) == []


@pytest.mark.parametrize(
    ("expected", "seen", "said"),
    [
        (Expectation(exit=1), HEALTHY, "ended with exit status 0, expected exit status 1"),
        (Expectation(), Seen(None, 9, "", report()), "ended with SIGKILL"),
        (Expectation(exit=None, signal="SIGSEGV"), Seen(None, 9, "", report()), "expected SIGSEGV"),
        (Expectation(output=("^43$",)), HEALTHY, "nothing matches '^43$'"),
        (Expectation(not_output=("hello",)), HEALTHY, "'hello' must not be there"),
        (Expectation(events=(pattern("exec"),)), HEALTHY, "0 of exec(), expected 1 to any number"),
        (
            Expectation(events=(pattern("exec", 0, 0),)),
            Seen(0, None, "", report(), (GCC,)),
            "1 of exec(), expected 0 to 0",
        ),
    ],
)
def test_what_happened_falls_short(expected: Expectation, seen: Seen, said: str) -> None:
    [why] = shortfalls(expected, seen)
    assert said in why
    assert not why.startswith(DIAGNOSIS)


@pytest.mark.parametrize(
    ("expected", "seen", "said"),
    [
        (Expectation(), Seen(0, None, ""), "wrote no report"),
        (Expectation(findings=("a",)), HEALTHY, "found nothing, expected a"),
        (Expectation(), Seen(0, None, "", report(finding("a"))), "found a, expected nothing"),
        (Expectation(findings=("a", "b")), Seen(0, None, "", report(finding("b"), finding("a"))), "found b, a"),
        (
            Expectation(findings=("a",), message=("x",)),
            Seen(0, None, "", report(finding("a", "y"))),
            "in the message: y",
        ),
        (
            Expectation(findings=("a",), source="b.go:3:1: x"),
            Seen(0, None, "", report(finding("a") | {"source": SOURCE})),
            "in the line that asked for it: /a.go:3:1: x",
        ),
        (Expectation(findings=("a",), source="a"), Seen(0, None, "", report(finding("a"))), "none is named"),
        (Expectation(), Seen(0, None, "", report(lost=({"count": 1},))), "events were lost"),
    ],
)
def test_the_diagnosis_falls_short(expected: Expectation, seen: Seen, said: str) -> None:
    [why] = shortfalls(expected, seen)
    assert why.startswith(DIAGNOSIS)
    assert said in why


def test_the_line_that_asked_for_it() -> None:
    seen = Seen(0, None, "", report(finding("a") | {"source": SOURCE}))
    assert list(shortfalls(Expectation(findings=("a",), source=r"/a\.go:3:1: x$"), seen)) == []


@pytest.mark.parametrize(
    ("wanted", "event", "is_one"),
    [
        (pattern("exec", argv="-c x"), GCC, True),
        (pattern("exec", argv="-o"), GCC, False),
        (pattern("exec", errno="ENOENT"), GCC, False),
        (pattern("syscall_error", errno="ENOENT", paths="/gcc$", syscall="stat"), NO_GCC, True),
        (pattern("exec"), NO_GCC, False),
        (pattern("exit", signal="SIGKILL"), Exit(ts_ns=1, pid=1, signal=9), True),
        (pattern("exit", status="^3$"), Exit(ts_ns=1, pid=1, status=3), True),
    ],
)
def test_a_pattern_and_an_event(wanted: EventPattern, event: KnownEvent, is_one: bool) -> None:
    assert matches(wanted, event) is is_one
