"""How the traced command itself ended, and the go commands in it that failed."""

from __future__ import annotations

from typing import NamedTuple

from gotrace.events.tools import Role
from gotrace.rules.steps import broke_the_build
from gotrace.trace.model import Build, Span, Trace

_SIGINT = 2
_INTERRUPTING = {_SIGINT: "SIGINT", 15: "SIGTERM", 1: "SIGHUP"}
"""By which people, `timeout`, cancelled jobs of a CI and terminals that hang up end a build."""
_STATUS_OF_SIGNAL = 128
"""Shells end with it and the number of the signal that ended a program of theirs."""


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


def interrupted(trace: Trace) -> str:
    """The signal by which somebody ended the build, as in "SIGTERM"; empty where nobody did.

    The command ended of it, or failed where its go command did; or a step of the build ended by SIGINT, which a
    terminal sends to all of them. Who sends SIGTERM to a single tool wants something else, as a guard of the memory.
    """
    ending = ending_of(trace)
    if number := _interrupting(ending.exit, ending.signal):
        return _INTERRUPTING[number]
    if not ending.failed:
        return ""
    for span in trace.spans:
        number = _number_of(span)
        if number and (number == _SIGINT or span.role is Role.GO) and broke_the_build(span):
            return _INTERRUPTING[number]
    return ""


def ended_by_interrupt(span: Span) -> bool:
    """This run was killed by such a signal, or says with its exit status that it was interrupted."""
    return _number_of(span) != 0


def _number_of(span: Span) -> int:
    return _interrupting(span.exit.status, span.exit.signal) if span.exit is not None else 0


def _interrupting(status: int | None, signal: int | None) -> int:
    number = signal or (status or 0) - _STATUS_OF_SIGNAL
    return number if number in _INTERRUPTING else 0
