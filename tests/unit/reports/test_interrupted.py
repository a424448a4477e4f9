"""Ctrl-C, SIGTERM or SIGHUP in the middle of a build: the build was interrupted, nothing is wrong with it."""

from __future__ import annotations

import pytest

from gotrace.events.model import Exit, Output
from gotrace.reports.ending import interrupted
from gotrace.reports.failed import failed_steps, unexplained_steps
from gotrace.reports.json_report import document
from gotrace.reports.terminal import TerminalReport
from gotrace.reports.verdict import verdict
from gotrace.rules.finding import Diagnosis
from gotrace.trace.model import Span, Trace
from tests.unit.reports.made import S, trace


def ends(span: Span, *, status: int | None = None, signal: int | None = None) -> None:
    span.exit = span.process.exit = Exit(ts_ns=3 * S, pid=span.process.pid, status=status, signal=signal)


def stopped(*, status: int | None = None, signal: int | None = None) -> Trace:
    """A build in which gcc and its assembler were killed by SIGINT; the command itself ended as given."""
    made = trace(failed=True)
    go, _, gcc, assembler = made.spans
    for span in (gcc, assembler):
        ends(span, signal=2)
        span.output.clear()
    ends(go, status=status, signal=signal)
    made.facts[0].data.update(exit=status, signal=signal)
    return made


@pytest.mark.parametrize(
    ("status", "signal", "says"),
    [
        (None, 2, "by SIGINT, and the command was killed by it"),
        (130, None, "by SIGINT, and the command ended with exit status 130"),
        (1, None, "by SIGINT, and the command ended with exit status 1"),
        (None, 15, "by SIGTERM, and the command was killed by it"),
        (143, None, "by SIGTERM, and the command ended with exit status 143"),
        (129, None, "by SIGHUP, and the command ended with exit status 129"),
    ],
)
def test_the_verdict_says_interrupted(status: int | None, signal: int | None, says: str) -> None:
    made = stopped(status=status, signal=signal)
    assert verdict(made, Diagnosis()).startswith(f"gotrace: interrupted {says}: ")


def test_of_a_go_command_that_was_ended_somebody_ended_the_build() -> None:
    made = stopped(signal=15)
    for span in made.spans[2:]:
        ends(span, signal=15)
    made.facts[0].data.update(exit=124, signal=None)  # the command is timeout(1) around go
    assert verdict(made, Diagnosis()).startswith(
        "gotrace: interrupted by SIGTERM, and the command ended with exit status 124: "
    )
    assert unexplained_steps(made, Diagnosis()) == []


def test_a_signal_to_one_tool_alone_is_no_interruption() -> None:
    made = stopped(status=1)
    for span in made.spans[2:]:
        ends(span, signal=15)
    assert not interrupted(made)
    assert unexplained_steps(made, Diagnosis())


def test_what_was_stopped_needs_no_explanation() -> None:
    made = stopped(signal=2)
    assert unexplained_steps(made, Diagnosis()) == failed_steps(made) == []
    assert document(made, Diagnosis())["unexplained"] == []
    shown = TerminalReport().render(made, Diagnosis())
    assert "explained by no rule" not in shown
    assert "  failed  " not in shown


def test_a_step_that_failed_by_itself_is_told_all_the_same() -> None:
    made = stopped(signal=2)
    assembler = made.spans[3]
    ends(assembler, status=1)
    assembler.output.append(Output(ts_ns=2 * S, pid=103, text="Error: no such instruction\n"))
    assert unexplained_steps(made, Diagnosis()) == failed_steps(made) == [assembler]


def test_a_build_that_failed_or_ended_well_was_not_interrupted() -> None:
    assert not interrupted(trace(failed=True))
    assert not interrupted(trace(failed=False))
    survived = stopped(status=0)
    assert not interrupted(survived)
