"""The report a user reads first: what broke, which process saw it, the evidence, the fix, then what is not known."""

from __future__ import annotations

from rich.text import Text

from gotrace.reports.ending import ending_of
from gotrace.reports.escape import safe_block, safe_line
from gotrace.reports.page import NARROWEST, Page
from gotrace.reports.tree import draw_tree
from gotrace.reports.verdict import cached, not_known, verdict
from gotrace.reports.wording import cut, end_of_span, pasteable, program_of, shortened
from gotrace.rules.finding import Diagnosis, Evidence, Finding, Severity
from gotrace.trace.model import Span, Trace

_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow", Severity.NOTE: "bold blue"}
_LABEL = 10
"""Columns of the words at the left: "evidence" and two spaces."""
_EVIDENCE_ROWS = 4
"""How much of one line of evidence is shown; the JSON report holds the whole."""
_MOST_EVIDENCE = 8
_MOST_LINES = 12


class TerminalReport:
    """Renders for eyes. `quiet` leaves out all but findings, and what makes "nothing found" doubtful."""

    def __init__(self, *, width: int = NARROWEST, colour: bool = False, quiet: bool = False) -> None:
        self._width = width
        self._colour = colour
        self._quiet = quiet

    def render(self, trace: Trace, diagnosis: Diagnosis) -> str:
        """The whole report; empty where there is nothing to say."""
        page = Page(self._width)
        for finding in diagnosis.findings:
            page.blank()
            _root_cause(page, finding)
        if not diagnosis.findings and not self._quiet:
            page.verbatim(verdict(trace, diagnosis))
            page.paragraph(cached(trace), hang=2)
        if diagnosis.findings:
            page.blank()
        for label, text in not_known(trace, diagnosis, quiet=self._quiet):
            page.paragraph(safe_line(text), label=Text(f"{label}: ", "yellow"), hang=2)
        if (diagnosis.findings or ending_of(trace).failed) and not self._quiet:
            page.blank()
            draw_tree(page, trace)
        return page.render(colour=self._colour)


def _root_cause(page: Page, finding: Finding) -> None:
    title = Text.assemble(
        "gotrace: ", (f"{finding.severity.value} {finding.code}", _STYLES[finding.severity]), f" {finding.name}: "
    )
    page.paragraph(Text.assemble(title, Text(safe_line(finding.message), "bold")), hang=2)
    if finding.span is not None:
        _seen_by(page, finding.span)
    _evidence(page, finding.evidence)
    _fixes(page, finding)
    for consequence in finding.consequences:
        _consequence(page, consequence)


def _label(word: str) -> Text:
    return Text(f"  {word:<{_LABEL}}", "cyan")


def _seen_by(page: Page, span: Span) -> None:
    package = f", for {safe_line(span.package)}" if span.package else ""
    page.paragraph(
        f"{program_of(span)} ({span.role.value}), pid {span.process.pid}{package}: {end_of_span(span)}",
        label=_label("seen by"),
    )
    if span.argv:
        page.verbatim(shortened(span.argv, page.width - _LABEL - 2), indent=_LABEL + 2)


def _evidence(page: Page, evidence: list[Evidence]) -> None:
    for number, piece in enumerate(evidence[:_MOST_EVIDENCE]):
        lines = safe_block(piece.text).rstrip("\n").split("\n")
        if len(lines) > _MOST_LINES:
            lines[_MOST_LINES:] = [f"… ({len(lines) - _MOST_LINES} more lines)"]
        label = _label("evidence" if number == 0 else "")
        for position, line in enumerate(lines):
            pid = f"{piece.pid}  " if position == 0 else " " * len(f"{piece.pid}  ")
            shown = cut(line, _EVIDENCE_ROWS * (page.width - _LABEL - 2 - len(pid)))
            page.paragraph(shown, label=Text.assemble(label if position == 0 else _label(""), (pid, "dim")))
    if len(evidence) > _MOST_EVIDENCE:
        page.paragraph(f"… and {len(evidence) - _MOST_EVIDENCE} more", label=_label(""))


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
