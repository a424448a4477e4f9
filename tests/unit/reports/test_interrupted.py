"""Ctrl-C in the middle of a build: the build was interrupted, nothing is wrong with it."""

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
    ("status", "signal", "ended"),
    [
        (None, 2, "was killed by SIGINT"),
        (130, None, "ended with exit status 130"),
        (1, None, "ended with exit status 1"),
    ],
)
def test_the_verdict_says_interrupted(status: int | None, signal: int | None, ended: str) -> None:
    made = stopped(status=status, signal=signal)
    assert verdict(made, Diagnosis()).startswith(f"gotrace: interrupted, and the command {ended}: ")


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
