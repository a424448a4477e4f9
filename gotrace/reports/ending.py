"""How the traced command itself ended."""

from __future__ import annotations

from typing import NamedTuple

from gotrace.trace.model import Trace


class Ending(NamedTuple):
    """Exit status or signal, and wall seconds; None where the recording does not say."""

    exit: int | None
    signal: int | None
    seconds: float | None

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
