"""Live events, as they come: whose output is kept, what is masked, and which processes run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gotrace.capture.masks import mask_event
from gotrace.events.model import Event, Exec, Exit, Fork, Output
from gotrace.events.tools import is_tool, role_of


class Live:
    """Follows the process tree by its live events.

    Only the stderr of build tools is kept, not that of the user's own programs: a forked child is what its parent is,
    until it executes something else.
    """

    def __init__(self) -> None:
        self._is_tool: dict[int, bool] = {}
        self.dropped = 0
        """Outputs that were not kept."""

    def take(self, events: Iterable[Event]) -> Sequence[Event]:
        """The events to keep, masked."""
        kept = []
        for event in events:
            if isinstance(event, Output) and not self._is_tool.get(event.pid, False):
                self.dropped += 1
                continue
            self._follow(event)
            kept.append(mask_event(event))
        return kept

    def _follow(self, event: Event) -> None:
        if isinstance(event, Fork):
            # Not setdefault: the pid may be one whose last exit was lost.
            self._is_tool[event.child_pid] = self._is_tool.get(event.pid, False)
        elif isinstance(event, Exec) and not event.error:
            self._is_tool[event.pid] = is_tool(role_of(event.path, event.argv))
        elif isinstance(event, Exit):
            self._is_tool.pop(event.pid, None)

    def running(self) -> Iterable[int]:
        """Processes whose exit was not seen."""
        return self._is_tool.keys()
