"""The short tree of what ran: each go command, and below it where the time went and which steps failed."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from gotrace.events.tools import Role
from gotrace.reports.ending import ending_of
from gotrace.reports.escape import safe_line
from gotrace.reports.page import Page
from gotrace.reports.wording import end_of, end_of_span, program_of, seconds, shortened
from gotrace.trace.model import Span, Trace
from gotrace.trace.summary import summary

_MOST_FAILED = 6
_ROLES = {
    "go": (Role.COMPILE, Role.ASM, Role.CGO, Role.VET, Role.PACK),
    "c": (Role.CC,),
    "link": (Role.LINK,),
}
_NAMES = {"go": "Go", "c": "C", "link": "link"}


def draw_tree(page: Page, trace: Trace) -> None:
    """The command, its groups of tools with seconds and counts, and the steps that failed."""
    ending, counts = ending_of(trace), summary(trace)
    lasted = ending.seconds if ending.seconds is not None else counts.seconds
    after = f" after {seconds(lasted)}" if lasted is not None else ""
    command = shortened(trace.header.argv, page.width - 40)
    page.paragraph(Text.assemble((command, "bold"), f": {end_of(ending.exit, ending.signal)}{after}"), hang=2)
    for group, roles in _ROLES.items():
        runs = [f"{counts.runs[role]} {role.value}" for role in roles if counts.runs.get(role)]
        if runs:
            page.verbatim(
                f"{_NAMES[group]:<5}{seconds(counts.group_seconds.get(group, 0.0)):>8}  {', '.join(runs)}", indent=2
            )
    failed = list(failed_steps(trace))
    for span in failed[:_MOST_FAILED]:
        package = f", {safe_line(span.package)}" if span.package else ""
        step = f"{program_of(span)}, pid {span.process.pid}{package}: {end_of_span(span)}"
        page.paragraph(step, label=Text("  failed  ", "red"))
    if len(failed) > _MOST_FAILED:
        page.paragraph(f"… and {len(failed) - _MOST_FAILED} more", label="          ")


def failed_steps(trace: Trace) -> Iterator[Span]:
    """The tool runs that failed by themselves: nothing below them did."""
    for span in trace.spans:
        if span.failed and not span.probe and not any(below.failed for below in span.descendants()):
            yield span
