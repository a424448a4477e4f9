"""How the traced command itself ended, and the go commands in it that failed."""

from __future__ import annotations

from typing import NamedTuple

from gotrace.rules.steps import broke_the_build
from gotrace.trace.model import Build, Span, Trace

_SIGINT = 2
_STATUS_OF_SIGINT = 130
"""With which shells end of which a program was interrupted: 128 and the signal."""


class Ending(NamedTuple):
    """Exit status or signal, and wall seconds; None where the recording does not say."""

    exit: int | None
    signal: int | None
    seconds: float | None

    @property
    def known(self) -> bool:
        """The recording says how it ended."""
        return self.exit is not None or self.signal is not None

    @property
    def failed(self) -> bool:
        """It ended, and not with status 0."""
        return (self.exit or 0) + (self.signal or 0) != 0


def ending_of(trace: Trace) -> Ending:
    """As the capture measured it, else as the events show it."""
    fact = trace.fact("command")
    if fact is not None:
        return Ending(fact.get("exit"), fact.get("signal"), fact.get("seconds"))
    root = trace.root
    if root is None or root.exit is None:
        return Ending(None, None, None)
    lasted = None if root.end_ns is None else (root.end_ns - root.start_ns) / 1e9
    return Ending(root.exit.status, root.exit.signal, lasted)


def failed_builds(trace: Trace) -> list[Build]:
    """The go commands that built and failed; one below another that failed is only part of that."""
    failed = {build.span for build in trace.builds if build.failed}
    return [build for build in trace.builds if build.span in failed and failed.isdisjoint(build.span.ancestors())]


def interrupted(trace: Trace) -> bool:
    """Whether somebody pressed Ctrl-C (SIGINT): the command ended of it, or failed where a step of its build did."""
    ending = ending_of(trace)
    if ending.signal == _SIGINT or ending.exit == _STATUS_OF_SIGINT:
        return True
    return ending.failed and any(ended_by_interrupt(span) and broke_the_build(span) for span in trace.spans)


def ended_by_interrupt(span: Span) -> bool:
    """This run was killed by SIGINT, or says with its exit status that it was interrupted."""
    return span.exit is not None and (span.exit.signal == _SIGINT or span.exit.status == _STATUS_OF_SIGINT)
