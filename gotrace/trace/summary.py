"""A trace in a few numbers, for reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gotrace.events.tools import Role
from gotrace.trace.model import Span, Trace

_GROUPS = {
    "go": frozenset({Role.COMPILE, Role.ASM, Role.CGO, Role.VET, Role.PACK, Role.BUILDID}),
    "c": frozenset({Role.CC, Role.CC1, Role.AS}),
    "link": frozenset({Role.LINK, Role.COLLECT2, Role.LD}),
}


@dataclass(frozen=True, slots=True)
class Summary:
    """What happened, counted. Times are wall seconds; parallel work of one group counts once, of two groups in both."""

    seconds: float | None
    """The command from its first exec to its exit; None where one of them was not seen."""
    processes: int
    execs: int
    """Successful execs."""
    refused_execs: int
    errors: int
    """Failing system calls, coalesced ones each."""
    runs: Mapping[Role, int] = field(default_factory=dict)
    """Runs by role; what only asked for a version or a flag is not counted."""
    packages: int = 0
    """Go packages that were really compiled."""
    group_seconds: Mapping[str, float] = field(default_factory=dict)
    """Seconds in which at least one tool of a group ran: `go`, `c`, `link` (with the compiler below link)."""


def summary(trace: Trace) -> Summary:
    """Count what a trace holds. Spans whose end was not seen add no time."""
    root = trace.root
    whole = None
    if root is not None and root.end_ns is not None:
        began = root.spans[0].start_ns if root.spans else root.start_ns
        whole = (root.end_ns - began) / 1e9
    return Summary(
        seconds=whole,
        processes=len(trace.processes),
        execs=len(trace.spans),
        refused_execs=sum(len(process.failed_execs) for process in trace.processes),
        errors=sum(error.repeat for process in trace.processes for error in process.errors),
        runs=Counter(span.role for span in trace.spans if not span.probe),
        packages=len({span.package for span in trace.spans if span.compiled and span.package}),
        group_seconds=_group_seconds(trace.spans),
    )


def _group_seconds(spans: Iterable[Span]) -> dict[str, float]:
    intervals: dict[str, list[tuple[int, int]]] = {group: [] for group in _GROUPS}
    below_link: set[Span] = set()
    for span in spans:
        if span.parent is not None and (span.parent.role is Role.LINK or span.parent in below_link):
            below_link.add(span)
        group = _group(span.role)
        group = "link" if group == "c" and span in below_link else group
        if group is not None and span.end_ns is not None:
            intervals[group].append((span.start_ns, span.end_ns))
    return {group: _covered(found) / 1e9 for group, found in intervals.items()}


def _group(role: Role) -> str | None:
    return next((group for group, roles in _GROUPS.items() if role in roles), None)


def _covered(intervals: list[tuple[int, int]]) -> int:
    """Nanoseconds that lie in at least one interval. Source order is by start, as spans are."""
    total = 0
    reached = 0
    for start, end in intervals:
        total += max(0, end - max(start, reached))
        reached = max(reached, end)
    return total
