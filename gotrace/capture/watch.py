"""Empties a capture into its spool while the command runs; if that fails, the command goes on and the loss is told."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from gotrace.capture.confinement import Confinements
from gotrace.capture.live import Live
from gotrace.capture.masks import mask_event
from gotrace.capture.memory import Memories
from gotrace.capture.procstat import state
from gotrace.capture.roots import Namespaces
from gotrace.capture.spool import Spool
from gotrace.events.model import Event, KnownEvent, Lost
from gotrace.sources.base import Batch, Capture

if TYPE_CHECKING:
    from gotrace.capture.naming import Naming


TICK_S: Final = 0.02
"""Between two ticks, where anything comes. Rings of some megabytes take a million failing calls a second for that."""
_IDLE_TICK_S: Final = 0.1
_IDLE_TICKS: Final = 5
_SHOWN_BYTES: Final = 64 << 10
"""Records of one moment that are decoded to be shown: some three hundred calls, which takes two milliseconds."""


class Observer(Protocol):
    """Is told what happens while the command runs; to draw a progress line, for instance."""

    def live(self, events: Sequence[Event]) -> None:
        """Forks, execs, exits and outputs, as they are decoded."""
        ...

    def tick(self, terminal_writes: int) -> None:
        """Comes 10 to 50 times a second, with the number of writes to a terminal until now."""
        ...

    def stopping(self) -> None:
        """The command was stopped (^Z), and gotrace stops next."""
        ...

    def ended(self) -> None:
        """The command has ended."""
        ...


class Watch:
    """One capture being emptied."""

    def __init__(
        self,
        capture: Capture,
        spool: Spool,
        observer: Observer | None,
        names: Naming | None = None,
        failing: Callable[[Sequence[Event] | None], None] | None = None,
    ) -> None:
        """`names` says whose code is at an address; given where a program's run is watched.

        `failing` is shown failing calls as they come; None in their place where too many come at once.
        """
        self._failing = failing
        self._capture = capture
        self._spool = spool
        self._observer = observer
        self._names = names
        self._live = Live(running=names is not None)
        self.namespaces = Namespaces(of_all=names is not None)
        """Those in which build tools ran, kept for what is asked afterwards; whoever watches closes them."""
        ours = int(capture.source == "ptrace" and not capture.followed)
        self.confinements = Confinements(filters_of_ours=ours) if names is not None else None
        """What the processes of a program's run may do and use."""
        self.memories = Memories() if names is not None else None
        self._failure: Lost | None = None
        self._gone = False
        self._idle = 0
        """For how many ticks nothing has come."""

    @property
    def pause_s(self) -> float:
        """Seconds until the next tick: a server under load, of which there is nothing to tell, is to be left alone."""
        return TICK_S if self._idle < _IDLE_TICKS else _IDLE_TICK_S

    def tick(self) -> None:
        """Take what is there now."""
        if self._failure:
            return
        try:
            self._drain()
            self.namespaces.look()
            now_ns = time.monotonic_ns()
            if self.confinements is not None:
                self.confinements.look(now_ns)
            if self.memories is not None:
                self.memories.look(now_ns, self._live.running())
            self._gone = self._capture.gone()  # a source learns from this when its collector went
            if self._observer:
                self._observer.tick(self._capture.terminal_writes())
        except Exception as error:
            self._fail(error)

    def finish(self) -> tuple[list[Lost], dict[str, int]]:
        """The command has ended: take the rest and stop the capture. What was lost, and the counted noise."""
        lost: list[Lost] = []
        noise: dict[str, int] = {}
        try:
            if self._observer:
                self._observer.ended()
            lost, noise = self._capture.stop()
            if not self._failure:
                self._drain()
        except Exception as error:
            self._fail(error)
        return [*lost, *([self._failure] if self._failure else [])], noise

    def named(self, events: list[KnownEvent]) -> list[KnownEvent]:
        """All events of the capture, with the places in code that failing calls came from."""
        return events if self._names is None else self._names.failing_calls(events)

    @property
    def dropped(self) -> int:
        """Events that were seen and not kept, because no build tool wrote them."""
        return self._live.dropped

    @property
    def blind(self) -> bool:
        """Nothing is seen any more: whatever observes is gone, or it cannot be read or kept."""
        return self._failure is not None or self._gone

    def still_running(self) -> list[int]:
        """Processes of the command that outlived it, by pid."""
        return [pid for pid in self._live.running() if state(pid) not in ("", "Z", "X")]

    def _drain(self) -> None:
        self._idle += 1
        for batch in self._capture.batches():
            self._idle = 0
            if batch.live:
                self._take(batch)
            elif b"://" in batch.data:  # git looks for a folder named as the URL, which may hold a password
                self._spool.events([mask_event(event) for event in self._capture.decode(batch)])
            else:
                self._spool.raw(batch.data)
            if self._failing is not None and not batch.live:
                self._failing(self._capture.decode(batch) if len(batch.data) <= _SHOWN_BYTES else None)

    def _take(self, batch: Batch) -> None:
        self.keep(self._capture.decode(batch))

    def keep(self, decoded: Sequence[Event]) -> None:
        """Take live events: those of a batch, or those that say what was there when the capture attached."""
        events = self._live.take(decoded if self._names is None else self._names.live(decoded))
        self.namespaces.see(events)
        if self.confinements is not None:
            self.confinements.see(events)
        self._spool.events(events)
        if self._observer and events:
            self._observer.live(events)

    def _fail(self, error: Exception) -> None:
        now = time.monotonic_ns()
        reason = f"gotrace stopped watching before the command ended: {type(error).__name__}: {error}"
        self._failure = Lost(ts_ns=now, pid=0, what="unknown", count=1, reason=reason, since_ns=now, exact=False)
