"""The short tree of what ran: each go command, and below it where the time went and which steps failed."""

from __future__ import annotations

from collections.abc import Collection

from rich.text import Text

from gotrace.events.tools import Role
from gotrace.reports.ending import ending_of
from gotrace.reports.escape import safe_line
from gotrace.reports.failed import failed_steps, first_error, step
from gotrace.reports.page import Page
from gotrace.reports.wording import GROUPS, cut, end_of, end_of_span, program_of, seconds, shortened
from gotrace.rules.steps import package
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
    failed = _alike(failed_steps(trace))
    for spans in failed[:_MOST_FAILED]:
        times = f" ({len(spans)} times)" if len(spans) > 1 else ""
        if spans[0].process is not trace.root:  # of the command the first line has said it
            page.paragraph(step(spans[0]) + times, label=Text("  failed  ", "red"))
        if not all(span in told for span in spans):
            page.paragraph(cut(safe_line(first_error(spans[0])), 2 * page.width), label=" " * 10)
    if len(failed) > _MOST_FAILED:
        page.paragraph(f"… and {sum(map(len, failed[_MOST_FAILED:]))} more", label=" " * 10)


def _alike(failed: list[Span]) -> list[list[Span]]:
    """Runs of the same tool for the same package that ended alike, with the same words, in order of the first."""
    groups: dict[tuple[str, ...], list[Span]] = {}
    for span in failed:
        key = (program_of(span), package(span) or "", end_of_span(span), first_error(span))
        groups.setdefault(key, []).append(span)
    return list(groups.values())
