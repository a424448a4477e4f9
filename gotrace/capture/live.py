"""Live events, as they come: whose output is kept, what is masked, and which processes run."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from gotrace.capture.masks import mask_event
from gotrace.capture.words import Words
from gotrace.events.model import Event, Exec, Exit, Fork, Output
from gotrace.events.tools import is_tool, role_of


class Live:
    """Follows the process tree by its live events.

    The stderr of build tools is kept, not that of the user's own programs: a forked child is what its parent is, until
    it executes something else. Of a program's `running` are kept the words of its runtime and its loader.
    """

    def __init__(self, *, running: bool = False) -> None:
        self._is_tool: dict[int, bool] = {}
        self._words = Words() if running else None
        self.dropped = 0
        """Outputs that were not kept."""

    def take(self, events: Iterable[Event]) -> Sequence[Event]:
        """The events to keep, masked."""
        kept: list[Event] = []
        for event in events:
            if isinstance(event, Output):
                kept += self._worth_keeping(event)
                continue
            if self._words is not None and isinstance(event, Exit):
                kept += self._words.rest(event.pid)
            self._follow(event)
            kept.append(event)
        return [mask_event(event) for event in kept]

    def _worth_keeping(self, event: Output) -> list[Output]:
        if self._is_tool.get(event.pid, False):
            return [event]
        kept = [] if self._words is None else self._words.take(event)
        self.dropped += not kept
        return kept

    def _follow(self, event: Event) -> None:
        if isinstance(event, Fork):
            # Not setdefault: the pid may be one whose last exit was lost.
            self._is_tool[event.child_pid] = self._is_tool.get(event.pid, False)
        elif isinstance(event, Exec) and not event.error:
            self._is_tool[event.pid] = is_tool(role_of(event.path, event.argv))
        elif isinstance(event, Exit):
            self._is_tool.pop(event.pid, None)

    def running(self) -> Collection[int]:
        """Processes whose exit was not seen."""
        return self._is_tool.keys()
