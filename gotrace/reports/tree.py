"""The short tree of what ran: each go command, and below it where the time went and which steps failed."""

from __future__ import annotations

from collections.abc import Collection

from rich.text import Text

from gotrace.events.tools import Role
from gotrace.reports.ending import ending_of
from gotrace.reports.escape import safe_line
from gotrace.reports.failed import failed_steps, first_error, step
from gotrace.reports.page import Page
from gotrace.reports.wording import GROUPS, cut, end_of, seconds, shortened
from gotrace.trace.model import Span, Trace
from gotrace.trace.summary import summary

_MOST_FAILED = 6
_ROLES = {
    "go": (Role.COMPILE, Role.ASM, Role.CGO, Role.VET, Role.PACK),
    "c": (Role.CC,),
    "link": (Role.LINK,),
}


def draw_tree(page: Page, trace: Trace, told: Collection[Span] = ()) -> None:
    """The command, its groups of tools with seconds and counts, and the steps that failed, each with its own words.

    `told` are steps whose words the reader has seen already.
    """
    ending, counts = ending_of(trace), summary(trace)
    lasted = ending.seconds if ending.seconds is not None else counts.seconds
    after = f" after {seconds(lasted)}" if lasted is not None else ""
    command = shortened(trace.header.argv, max(page.width - 40, 30))
    page.paragraph(Text.assemble((command, "bold"), f": {end_of(ending.exit, ending.signal)}{after}"), hang=2)
    for group, roles in _ROLES.items():
        runs = [f"{counts.runs[role]} {role.value}" for role in roles if counts.runs.get(role)]
        if runs:
            page.verbatim(
                f"{GROUPS[group]:<5}{seconds(counts.group_seconds.get(group, 0.0)):>8}  {', '.join(runs)}", indent=2
            )
    failed = failed_steps(trace)
    for span in failed[:_MOST_FAILED]:
        page.paragraph(step(span), label=Text("  failed  ", "red"))
        if span not in told:
            page.paragraph(cut(safe_line(first_error(span)), 2 * page.width), label=" " * 10)
    if len(failed) > _MOST_FAILED:
        page.paragraph(f"… and {len(failed) - _MOST_FAILED} more", label=" " * 10)
