"""Which failures matter: those of the build's own steps."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gotrace.events.tools import Role
from gotrace.rules import fixes, steps
from gotrace.trace.model import Span, Trace
from tests.unit.trace.events_for import Story

ENV = {"PATH": "/usr/bin"}


def compiler_runs(trace: Trace) -> list[bool]:
    return [steps.broke_the_build(span) for span in trace.spans if span.role is Role.CC]


def script(*, go_status: int | None, gcc_status: int = 1, status: int = 1) -> Trace:
    """`sh -c` that tries a compiler and then, if `go_status` is given, runs go build."""
    story = Story()
    with story.process(1, ["sh", "-c", "gcc -lnope x.c; go build ."], env=ENV, status=status):
        story.runs(2, "gcc -lnope x.c", parent=1, status=gcc_status, env=ENV)
        if go_status is not None:
            story.runs(3, "go build .", parent=1, status=go_status, env=ENV)
    return story.trace()


def test_a_compiler_tried_before_a_go_build_that_failed_by_itself() -> None:
    assert compiler_runs(script(go_status=1)) == [False]


def test_a_compiler_tried_in_a_command_that_went_on_and_succeeded() -> None:
    assert compiler_runs(script(go_status=0, status=0)) == [False]


def test_a_compiler_that_fails_where_no_go_command_did() -> None:
    assert compiler_runs(script(go_status=None)) == [True]
    assert compiler_runs(script(go_status=0)) == [True]


def test_each_of_many_programs_that_fail_costs_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans that are looked at, not seconds: with twice as many programs there are about twice as many."""

    def looked_at(programs: int) -> int:
        story = Story()
        with story.process(1, ["bash", "-c", "for i in ...; do false; done"], env=ENV, status=1):
            for pid in range(2, 2 + programs):
                story.runs(pid, ["false"], parent=1, status=1, env=ENV)
        trace = story.trace()
        walked = 0
        walk = Span.descendants

        def counting(span: Span) -> Iterator[Span]:
            nonlocal walked
            for below in walk(span):
                walked += 1
                yield below

        with monkeypatch.context() as patched:
            patched.setattr(Span, "descendants", counting)
            assert all(steps.broke_the_build(span) for span in trace.spans)
        return walked

    assert looked_at(50) <= 100
    assert looked_at(400) <= 800


def test_what_a_test_runs_is_no_step_of_the_build() -> None:
    story = Story()
    test = story.process(2, ["/tmp/go-build1/b001/app.test"], parent=1, env=ENV, status=1)
    with story.process(1, "go test .", env=ENV, status=1), test:
        story.runs(3, "gcc -E x.c", parent=2, status=1, env=ENV)
    trace = story.trace()
    assert [span.role for span in trace.spans] == [Role.GO, Role.TEST_BINARY, Role.CC]
    assert compiler_runs(trace) == [False]


@pytest.mark.parametrize(
    ("folder", "line"),
    [
        ("/home/u/hello/arm", "env -C arm CC=cc-for-it GOARCH=arm64 go build ."),
        ("/srv/other", "env -C /srv/other CC=cc-for-it GOARCH=arm64 go build ."),
        ("/home/u/hello", "env CC=cc-for-it GOARCH=arm64 go build ."),
    ],
)
def test_a_go_command_that_a_script_ran_in_another_folder_is_corrected_there(folder: str, line: str) -> None:
    story = Story()
    with story.process(1, ["make", "arm"], env=ENV, status=2):
        story.runs(2, "go build .", parent=1, status=1, env={**ENV, "GOARCH": "arm64"}, cwd=folder)
    trace = story.trace(argv=("make", "arm"), cwd="/home/u/hello")
    words = fixes.rerun(trace, trace.builds[0], {"CC": "cc-for-it"})
    assert sorted(" ".join(words).split()) == sorted(line.split())
    assert words[:1] == ("env",)
    assert words[-3:] == ("go", "build", ".")
