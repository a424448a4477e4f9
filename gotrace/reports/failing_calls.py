"""The failing calls of a program's run that a person should look at first."""

from __future__ import annotations

from typing import Final

from gotrace.events import running
from gotrace.events.strace import render
from gotrace.reports.escape import safe_line
from gotrace.reports.page import Page
from gotrace.reports.wording import counted, cut
from gotrace.trace.failing import FailingCalls, Relevance, failing_calls
from gotrace.trace.model import Trace

_MOST: Final = 6
_ROWS: Final = 2
_COUNT: Final = 8


def draw_failing_calls(page: Page, trace: Trace) -> None:
    """A line for each of the most relevant ones; what was only a search for a name is counted."""
    groups = failing_calls(trace)
    telling = [group for group in groups if group.relevance > Relevance.OTHER]
    if not telling:
        return
    page.paragraph("failing calls, those first that may matter most:")
    for group in telling[:_MOST]:
        page.paragraph(_told(group, page.width), label=f"{f'{group.count}x':>{_COUNT}}  ", indent=0)
    left = sum(group.count for group in groups) - sum(group.count for group in telling[:_MOST])
    if left:
        page.paragraph(f"… and {counted(left, 'call')} more, most of them of less weight", indent=_COUNT + 2)


def _told(group: FailingCalls, width: int) -> str:
    origin = group.origin
    by = f"  by {safe_line(running.frame(origin))}" if origin is not None and origin.module else ""
    rate = f"  {group.rate:.0f}/s" if group.count > 1 and group.rate >= 1 else ""
    return cut(safe_line(render(group.first)), _ROWS * width) + rate + by
