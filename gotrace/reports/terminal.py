"""The report a user reads first: what broke, which process saw it, the evidence, the fix, then what is not known."""

from __future__ import annotations

from rich.text import Text

from gotrace.reports.crash_card import draw_crash
from gotrace.reports.ending import ending_of, failed_builds
from gotrace.reports.escape import safe_block, safe_line
from gotrace.reports.failed import first_error, image_at, step, unexplained_steps
from gotrace.reports.failing_calls import draw_failing_calls, draw_failing_calls_of_a_healthy_program
from gotrace.reports.page import USUAL, Page
from gotrace.reports.tree import draw_tree
from gotrace.reports.verdict import beside_findings, not_known, remark, verdict
from gotrace.reports.wording import cut, end_of_span, named, pasteable, place_of, program_of, shortened
from gotrace.rules.finding import Diagnosis, Evidence, Finding, Severity, Source
from gotrace.trace.crash import Crash, crashes
from gotrace.trace.model import Span, Trace

_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow", Severity.NOTE: "bold blue"}
_LABEL = 10
"""Columns of the words at the left: "evidence" and two spaces."""
_EVIDENCE_ROWS = 4
"""How much of one line of evidence is shown; the JSON report holds the whole."""
_MOST_EVIDENCE = 8
_MOST_LINES = 12
_READABLE = 35
"""Columns that evidence should have, with the blanks before it."""
_MOST_UNEXPLAINED = 6
_MOST_CARDS = 4


class TerminalReport:
    """Renders for eyes. `quiet` leaves out all but findings, and what makes "nothing found" doubtful."""

    def __init__(self, *, width: int = USUAL, colour: bool = False, quiet: bool = False) -> None:
        self._width = width
        self._colour = colour
        self._quiet = quiet

    def render(self, trace: Trace, diagnosis: Diagnosis) -> str:
        """The whole report; empty where there is nothing to say."""
        page = Page(self._width)
        for finding in diagnosis.findings:
            page.blank()
            _root_cause(page, trace, finding)
        told = self._beside_findings(page, trace, diagnosis)
        if diagnosis.findings and not self._quiet:
            page.paragraph(beside_findings(trace), hang=2)
        for label, text in not_known(trace, diagnosis, quiet=self._quiet):
            page.paragraph(safe_line(text), label=Text(f"{label}: ", "yellow"), hang=2)
        broken = ending_of(trace).failed or failed_builds(trace)
        if (diagnosis.findings or broken) and not self._quiet:
            page.blank()
            draw_tree(page, trace, told)
        return page.render(colour=self._colour)

    def _beside_findings(self, page: Page, trace: Trace, diagnosis: Diagnosis) -> list[Span]:
        """The verdict where there are no findings, and what failed without one; returns those steps."""
        if not diagnosis.findings:
            if self._quiet:
                return []
            page.paragraph(verdict(trace, diagnosis), hang=2)
            page.paragraph(remark(trace), hang=2)
        else:
            page.blank()
        told = [finding.span for finding in diagnosis.findings]
        _cards(page, [crash for crash in crashes(trace) if crash.span not in told])
        if trace.header.running and not self._quiet:
            _failing_calls(page, trace, diagnosis)
        failed = unexplained_steps(trace, diagnosis)
        _unexplained(page, failed)
        return failed


def _cards(page: Page, crashed: list[Crash]) -> None:
    """Of a row of crashes the last ones: they are the nearest to the end."""
    for crash in crashed[-_MOST_CARDS:]:
        draw_crash(page, crash)
    if len(crashed) > _MOST_CARDS:
        page.paragraph(f"… and {len(crashed) - _MOST_CARDS} crashes before", label=_label(""))


def _failing_calls(page: Page, trace: Trace, diagnosis: Diagnosis) -> None:
    """Those of a program that failed without a finding, and of what was only watched; else for information."""
    page.blank()
    if diagnosis.findings and not trace.header.attached:
        return
    if diagnosis.findings or ending_of(trace).failed or crashes(trace):
        draw_failing_calls(page, trace, diagnosis)
    else:
        draw_failing_calls_of_a_healthy_program(page, trace, diagnosis)


def _unexplained(page: Page, failed: list[Span]) -> None:
    """Steps that broke the build and that no finding accounts for, each with the first error of its own words."""
    if not failed:
        return
    steps = "step is" if len(failed) == 1 else "steps are"
    page.paragraph(Text(f"{len(failed)} failed {steps} explained by no rule:", "yellow"), hang=2)
    for span in failed[:_MOST_UNEXPLAINED]:
        page.paragraph(step(span), indent=2, hang=4)
        page.paragraph(cut(safe_line(first_error(span)), _EVIDENCE_ROWS * page.width), indent=4)
    if len(failed) > _MOST_UNEXPLAINED:
        page.paragraph(f"… and {len(failed) - _MOST_UNEXPLAINED} more", indent=2)
    page.blank()


def _root_cause(page: Page, trace: Trace, finding: Finding) -> None:
    title = Text.assemble(
        "gotrace: ", (f"{finding.severity.value} {finding.code}", _STYLES[finding.severity]), f" {finding.name}: "
    )
    page.paragraph(Text.assemble(title, Text(safe_line(finding.message), "bold")), hang=2)
    if finding.source is not None:
        _asked_at(page, finding.source, trace.header.cwd)
    if finding.span is not None:
        _seen_by(page, finding.span)
    _evidence(page, trace, finding.evidence)
    for crash in crashes(trace):
        if crash.span is finding.span:
            draw_crash(page, crash)
    _fixes(page, finding)
    for consequence in finding.consequences:
        _consequence(page, consequence)


def _label(word: str) -> Text:
    return Text(f"  {word:<{_LABEL}}", "cyan")


def _asked_at(page: Page, source: Source, folder: str) -> None:
    """FILE:LINE:COLUMN: TEXT, as go and gcc say it, so that editors and terminals can jump there; never wrapped."""
    place = safe_line(place_of(source, folder))
    room = max(page.width - _LABEL - 2 - len(place) - 2, _READABLE)
    page.verbatim(Text.assemble(_label("asked at"), (place, "bold"), f": {cut(safe_line(source.text), room)}"))


def _seen_by(page: Page, span: Span) -> None:
    package = f", for {safe_line(span.package)}" if span.package else ""
    page.paragraph(
        f"{named(span)}, pid {span.process.pid}{package}: {end_of_span(span)}",
        label=_label("seen by"),
    )
    if span.argv:
        page.verbatim(shortened(span.argv, page.width - _LABEL - 2), indent=_LABEL + 2)


def _evidence(page: Page, trace: Trace, evidence: list[Evidence]) -> None:
    whos = _whos(page, trace, evidence[:_MOST_EVIDENCE])
    for number, (who, piece) in enumerate(zip(whos, evidence, strict=False)):
        lines = safe_block(piece.text).rstrip("\n").split("\n")
        if len(lines) > _MOST_LINES:
            lines[_MOST_LINES:] = [f"… ({len(lines) - _MOST_LINES} more lines)"]
        label = _label("evidence" if number == 0 else "")
        for position, line in enumerate(lines):
            start = who if position == 0 else " " * len(who)
            shown = cut(line, _EVIDENCE_ROWS * (page.width - _LABEL - 2 - len(start)))
            page.paragraph(shown, label=Text.assemble(label if position == 0 else _label(""), (start, "dim")))
    if len(evidence) > _MOST_EVIDENCE:
        page.paragraph(f"… and {len(evidence) - _MOST_EVIDENCE} more", label=_label(""))


def _whos(page: Page, trace: Trace, evidence: list[Evidence]) -> list[str]:
    """Pid and tool of each piece, in columns; the tools are left out where they would take the text's place."""
    pids = [str(piece.pid) for piece in evidence]
    # A fact is what gotrace learned afterwards; nobody ran anything at that time.
    spans = [None if piece.event == "fact" else image_at(trace, piece.pid, piece.ts_ns) for piece in evidence]
    tools = ["" if span is None else program_of(span) for span in spans]
    pid_width, tool_width = max(map(len, pids), default=0), max(map(len, tools), default=0)
    if tool_width == 0 or page.width - _LABEL - pid_width - tool_width < _READABLE:
        return [f"{pid:<{pid_width}}  " for pid in pids]
    return [f"{pid:<{pid_width}} {tool:<{tool_width}}  " for pid, tool in zip(pids, tools, strict=True)]


def _fixes(page: Page, finding: Finding) -> None:
    for fix in finding.fix:
        page.paragraph(safe_line(fix.text), label=_label("fix"))
        if fix.command:
            page.blank()
            page.verbatim(Text(pasteable(fix.command), "bold green"), indent=4)
            page.blank()


def _consequence(page: Page, finding: Finding) -> None:
    said = Text.assemble((f"{finding.code} {finding.name}", "dim"), f": {safe_line(finding.message)}")
    page.paragraph(said, label=_label("and so"))
    for further in finding.consequences:
        _consequence(page, further)
