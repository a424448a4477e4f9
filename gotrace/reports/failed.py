"""The steps that failed, and the line in which the tool itself says why."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from gotrace.events.tools import Role
from gotrace.reports.ending import ended_by_interrupt, interrupted
from gotrace.reports.escape import safe_line
from gotrace.reports.wording import end_of_span, program_of
from gotrace.rules.engine import unexplained
from gotrace.rules.finding import Diagnosis
from gotrace.rules.steps import broke_the_build, package
from gotrace.trace.model import Span, Trace

_ERROR = re.compile(
    r"\b(error|fatal|undefined|cannot|can't|could not|not found|no such|no required|missing|unknown|unrecognized"
    r"|multiple definition|denied|failed|invalid|panic)\b",
    re.IGNORECASE,
)
_GOES_ON = re.compile(r":\s*$")
"""A line that announces others: ld's "in function `main':", gcc's "In file included from x.h:"."""
_HEADING = "# "
"""In front of what a tool said the go command writes `# import/path` (cmd/go/internal/work, showOutput)."""


def failed_steps(trace: Trace) -> list[Span]:
    """The tool runs that failed by themselves: nothing below them did. Those that broke a build come first."""
    return sorted(_not_stopped(trace, _leaves(trace)), key=lambda span: not broke_the_build(span))


def unexplained_steps(trace: Trace, diagnosis: Diagnosis) -> list[Span]:
    """The tool runs that broke a build and that no finding accounts for, but for what an interrupt stopped."""
    return _not_stopped(trace, unexplained(trace, diagnosis))


def _not_stopped(trace: Trace, failed: Iterable[Span]) -> list[Span]:
    """Those that failed by themselves. After an interrupt the tools die of it, and go ends without a word."""
    if not interrupted(trace):
        return list(failed)
    return [span for span in failed if not ended_by_interrupt(span) and (span.role is not Role.GO or first_error(span))]


def _leaves(trace: Trace) -> Iterator[Span]:
    for span in trace.spans:
        if span.failed and not span.probe and not any(below.failed for below in span.descendants()):
            yield span


def step(span: Span) -> str:
    """As in "ld, pid 4711, for ex/app: exit status 1"."""
    name = package(span)
    of = f", for {safe_line(name)}" if name else ""
    return f"{program_of(span)}, pid {span.process.pid}{of}: {end_of_span(span)}"


def image_at(trace: Trace, pid: int, ts_ns: int) -> Span | None:
    """The image that a pid ran at some time, a pid's several lives told apart; None where it is not known."""
    ran = (span for span in trace.spans if span.process.pid == pid and span.start_ns <= ts_ns)
    return max(ran, key=lambda span: span.start_ns, default=None)


def first_error(span: Span) -> str:
    """The first line of a run's stderr that looks like an error, else the first one, else what go said of its package.

    Raw text of the traced tool; empty where nothing of the kind was captured.
    """
    own = _telling(span.stderr.splitlines())
    if own or span.role is Role.GO:
        return own
    wanted = package(span)
    for above in span.ancestors():
        if above.role is Role.GO:
            return _telling(_below_heading(above.stderr.splitlines(), wanted)) if wanted else ""
    return ""


def _telling(lines: list[str]) -> str:
    said = [line.strip() for line in lines if line.strip() and not line.startswith(_HEADING)]
    errors = (line for line in said if _ERROR.search(line) and not _GOES_ON.search(line))
    plain = (line for line in said if not _GOES_ON.search(line))
    return next(errors, None) or next(plain, None) or (said[0] if said else "")


def _below_heading(lines: list[str], name: str) -> list[str]:
    """What the go command showed of one package; a variant's heading is "# p [p.test]"."""
    found: list[str] = []
    inside = False
    for line in lines:
        if line.startswith(_HEADING):
            inside = line[len(_HEADING) :].partition(" ")[0] == name
        elif inside:
            found.append(line)
    return found
