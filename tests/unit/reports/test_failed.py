"""Which steps failed, and the line in which each says why."""

from __future__ import annotations

import pytest

from gotrace.events.model import Output
from gotrace.events.tools import Role
from gotrace.reports.failed import failed_steps, first_error, image_at, step
from gotrace.trace.model import Span
from tests.unit.reports.made import S, span, trace


def says(text: str, role: Role = Role.LD, *, go_says: str = "") -> Span:
    """A failed run below a go command."""
    go = span(("go", "build"), Role.GO, 1, start=0, end=2, status=1)
    go.output.append(Output(ts_ns=1, pid=1, text=go_says))
    one = span(("/usr/bin/x",), role, 2, start=0, end=1, status=1, package="ex/b", parent=go)
    one.output.append(Output(ts_ns=1, pid=2, text=text))
    return one


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("ld: m.o: in function `main':\nm.c:4: undefined reference to `b'\n", "m.c:4: undefined reference to `b'"),
        ("In file included from x.h:1:\nx.c:2:3: warning: odd\nx.c:9:1: error: bad\n", "x.c:9:1: error: bad"),
        ("x.c:1: Fehler: kaputt\n", "x.c:1: Fehler: kaputt"),
        ("\n\n  in function f:\n", "in function f:"),
        ("", ""),
    ],
)
def test_the_first_line_that_looks_like_an_error(text: str, line: str) -> None:
    assert first_error(says(text)) == line


def test_what_go_shows_of_the_package_where_the_tool_wrote_nothing_to_its_stderr() -> None:
    shown = "# ex/a\n./a.go:1: undefined: a\n# ex/b\n./b.go:3:2: undefined: y\n# ex/c\nc\n"
    assert first_error(says("", Role.COMPILE, go_says=shown)) == "./b.go:3:2: undefined: y"
    assert first_error(says("", Role.COMPILE, go_says="# ex/a\nbad\n")) == ""


def test_a_go_command_says_it_itself() -> None:
    go = says("").parent
    assert go is not None
    go.output.append(Output(ts_ns=2, pid=1, text="main.go:3:8: no required module provides package ex/y\n"))
    assert first_error(go) == "main.go:3:8: no required module provides package ex/y"


def test_what_broke_the_build_comes_before_what_only_failed() -> None:
    made = trace(failed=True)
    asked = span(("git", "status"), Role.OTHER, 99, start=0.1, end=0.2, status=128)
    above = span(("sh",), Role.OTHER, 98, start=0, end=1)
    asked.parent = above
    made.spans.insert(1, asked)
    assert [one.process.pid for one in failed_steps(made)] == [103, 99]
    assert step(made.spans[-1]) == "as, pid 103, for runtime/cgo: exit status 1"


def test_which_image_a_pid_ran_at_a_time() -> None:
    made = trace(failed=False)
    later = span(("ccache",), Role.OTHER, 102, start=10, end=11)
    made.spans.append(later)
    assert image_at(made, 102, int(2.7 * S)) is made.spans[2]
    assert image_at(made, 102, 12 * S) is later
    assert image_at(made, 102, 1) is None
    assert image_at(made, 9999, 12 * S) is None
