"""What an attached program does at the moment, counted from its events: what the live view shows, and lines say."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from typing import Final

from gotrace.events.errno import errno_name
from gotrace.events.model import Dlopen, Dlsym, Event, Exec, Exit, Fork, Library, Signal, SyscallError
from gotrace.events.signals import signal_name
from gotrace.reports.wording import counted

_JOURNAL: Final = 8
_SECONDS: Final = 5
"""Over so long a rate is taken."""


class Happenings:
    """Takes events as they come; time is in seconds, any clock that goes on."""

    def __init__(self) -> None:
        self.failures: Counter[str] = Counter()
        """Failing calls that were seen, by what failed and how."""
        self.unseen_storms = 0
        """How often more of them came at once than can be looked at live; all are in the report."""
        self.libraries: dict[str, None] = {}
        self.journal: deque[str] = deque(maxlen=_JOURNAL)
        self.signals: Counter[str] = Counter()
        self.processes: set[int] = set()
        self.dlopens = self.dlsyms = 0
        self._since: float | None = None
        """When the first one failed."""
        self._recent: deque[tuple[float, Counter[str]]] = deque()

    def live(self, events: Iterable[Event]) -> None:
        """Forks, programs, libraries, dl calls, signals, ends."""
        for event in events:
            if isinstance(event, Library):
                self.libraries.setdefault(event.path)
            elif isinstance(event, Fork):
                self.processes.add(event.child_pid)
            elif isinstance(event, Exec):
                self.processes.add(event.pid)
            elif isinstance(event, Exit):
                self.processes.discard(event.pid)
            elif isinstance(event, Signal):
                self.signals[signal_name(event.signal)] += 1
            else:
                self._dl_call(event)

    def _dl_call(self, event: Event) -> None:
        if isinstance(event, Dlopen):
            self.dlopens += 1
            self.journal.append(f"dlopen {event.filename or 'the program itself'}{'' if event.handle else ': failed'}")
        elif isinstance(event, Dlsym):
            self.dlsyms += 1
            self.journal.append(f"dlsym {event.symbol}{'' if event.address else ': not found'}")

    def failing(self, events: Sequence[Event] | None, now: float) -> None:
        """Failing calls; None: too many at once to look at."""
        if events is None:
            self.unseen_storms += 1
            return
        self._since = now if self._since is None else self._since
        these: Counter[str] = Counter()
        for event in events:
            if isinstance(event, SyscallError):
                path = f" {event.paths[0]}" if event.paths else ""
                these[f"{event.syscall} {errno_name(event.errno)}{path}"] += event.repeat
        self.failures += these
        self._recent.append((now, these))

    def rates(self, now: float) -> list[tuple[str, float, int]]:
        """What failed of late: what, how often a second, and how often in all; the most frequent first."""
        while self._recent and self._recent[0][0] < now - _SECONDS:
            self._recent.popleft()
        recent: Counter[str] = Counter()
        for _, these in self._recent:
            recent += these
        rest = [(what, 0.0, count) for what, count in self.failures.most_common(20) if what not in recent]
        over = min(_SECONDS, max(1.0, now - self._since)) if self._since is not None else _SECONDS
        return [(what, count / over, self.failures[what]) for what, count in recent.most_common()] + rest

    def line(self, seconds: float, threads: int) -> str:
        """All of it in one line."""
        parts = [
            counted(len(self.processes), "process"),
            counted(threads, "thread"),
            counted(self.failures.total(), "failing call") + (" and more" if self.unseen_storms else ""),
            counted(len(self.libraries), "mapped file"),
            f"{self.dlopens} dlopen",
            f"{self.dlsyms} dlsym",
            *(f"{count} {name}" for name, count in self.signals.items()),
        ]
        return f"gotrace: {seconds:.0f} s: {', '.join(parts)}"
