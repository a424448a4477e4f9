"""The failing calls of a program's run that a person should look at first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from gotrace.events.model import Dlopen, Dlsym, Frame, SyscallError
from gotrace.events.running import pointer, source_line
from gotrace.events.strace import render
from gotrace.reports.escape import safe_line
from gotrace.reports.page import Page
from gotrace.reports.wording import counted, cut
from gotrace.rules import crashed
from gotrace.rules.finding import Diagnosis, Finding
from gotrace.trace.callers import is_of_a_library
from gotrace.trace.failing import FailingCalls, Relevance, failing_calls
from gotrace.trace.model import Trace

_MOST: Final = 6
_MOST_OF_A_HEALTHY: Final = 5
_ROWS: Final = 2
_COUNT: Final = 8
_LASTING: Final = 1.0
"""Seconds; the rate of a shorter burst says nothing."""
_OFTEN: Final = 10


def draw_failing_calls(page: Page, trace: Trace, diagnosis: Diagnosis) -> None:
    """Of a program that failed: a line for each of the most relevant ones; mere searches for a name are counted."""
    groups = listed(trace, diagnosis)
    telling = [group for group in groups if group.relevance > Relevance.OTHER][:_MOST]
    _draw(page, groups, telling, "failing calls, those first that may matter most:", "most of them of less weight")


def draw_failing_calls_of_a_healthy_program(page: Page, trace: Trace, diagnosis: Diagnosis) -> None:
    """The same where nothing went wrong, for information: what was refused or ran out, then what fails most often.

    Who attaches wants to know what a program does; of a whole run its look-ups at the start tell nothing.
    """
    groups = [group for group in listed(trace, diagnosis) if group.relevance > Relevance.HARMLESS]
    telling = [group for group in groups if trace.header.attached or not _searched_once(group)]
    shown = sorted(telling, key=lambda group: (group.relevance < Relevance.EXHAUSTED, -group.count))
    _draw(page, groups, shown[:_MOST_OF_A_HEALTHY], "failing calls, which may well be meant:", "")


def _searched_once(group: FailingCalls) -> bool:
    return group.relevance is Relevance.SEARCH and not (group.seconds >= _LASTING and group.count >= _OFTEN)


def listed(trace: Trace, diagnosis: Diagnosis) -> list[FailingCalls]:
    """All of them, ranked, without those of the loader that a finding has as its evidence."""
    explained = set(_evidence(diagnosis.findings))
    return [
        group
        for group in failing_calls(trace)
        if not (isinstance(group.first, Dlopen | Dlsym) and render(group.first) in explained)
    ]


def told(group: FailingCalls) -> str:
    """The first of its calls in strace notation, with what else is known of it. Raw text of the traced system."""
    first = group.first
    if isinstance(first, SyscallError):
        first = msgspec.structs.replace(first, repeat=1)  # how often is told of all together
    notes = [group.reason] if group.reason else []
    if len(group.files) > 1:
        notes.append(f"nor in {counted(len(group.files) - 1, 'other folder')}")
    if len(group.paths) > 1:
        notes.append(f"and {counted(len(group.paths) - 1, 'other path')}")
    return "  ".join([render(first), *notes])


def _evidence(findings: Sequence[Finding]) -> Iterator[str]:
    for finding in findings:
        yield from (piece.text for piece in finding.evidence)
        yield from _evidence(finding.consequences)


def _draw(page: Page, groups: list[FailingCalls], shown: list[FailingCalls], heading: str, rest: str) -> None:
    if not shown:
        return
    page.paragraph(heading)
    several = len({group.program for group in groups}) > 1
    for group in shown:
        line = cut(safe_line(told(group)), _ROWS * page.width) + "".join(_where(group, named=several))
        page.paragraph(line, label=f"{f'{group.count}x':>{_COUNT}}  ", indent=0)
    left = sum(group.count for group in groups) - sum(group.count for group in shown)
    if left:
        page.paragraph(f"… and {counted(left, 'call')} more{', ' if rest else ''}{rest}", indent=_COUNT + 2)


def _where(group: FailingCalls, *, named: bool) -> Iterator[str]:
    """How often, in which program and processes, and by whom."""
    if group.seconds >= _LASTING and group.rate >= 1:
        yield f"  {group.rate:.0f}/s"
    program = safe_line(group.program)
    if len(group.pids) > 1:
        yield f"  in {len(group.pids):,} processes" + (f" of {program}" if named else "")
    elif named and not any(_file(frame) == group.program for frame in group.by):
        yield f"  in {program}"
    if group.by:
        yield f"  by {' <- '.join(_places(group.by))}"
    if group.known:
        yield f", as {group.known:,} of them show"


def _places(by: Sequence[Frame]) -> Iterator[str]:
    """`open (libc.so.6)`, `main.load (app, main.go:27)`; the file is told where the next one is of another."""
    for number, frame in enumerate(by):
        module = _file(frame)
        last = number + 1 == len(by) or by[number + 1].module != frame.module
        if frame.symbol:
            told = [module] if last else []
            if frame.file and not is_of_a_library(frame):
                told.append(source_line(frame))
            yield safe_line(crashed.function(frame) + (f" ({', '.join(told)})" if told else ""))
        else:
            yield safe_line(f"{module}+{frame.address:#x}" if module else pointer(frame.ip))


def _file(frame: Frame) -> str:
    return frame.module.rpartition("/")[2]
