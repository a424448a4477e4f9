"""What a running build is at, told from the events that are decoded while it runs."""

from __future__ import annotations

from collections.abc import Iterable

from gotrace.events.model import Event, Exec, Exit
from gotrace.events.tools import Role, role_of

_SHOWN = frozenset({Role.COMPILE, Role.ASM, Role.CGO, Role.CC, Role.LINK, Role.VET, Role.PKG_CONFIG, Role.TEST_BINARY})
"""Tools that a reader waits for; what a C compiler starts (cc1, as, ld) is the compiler's own affair."""
_NAMED_BY_PACKAGE = frozenset({Role.COMPILE, Role.ASM})
_MOST_NAMED = 3


class Tally:
    """Counts finished packages and knows the tools that run."""

    def __init__(self) -> None:
        self.packages = 0
        self._running: dict[int, str] = {}
        self._compiling: set[int] = set()

    def add(self, events: Iterable[Event]) -> None:
        """Take in what happened, in order."""
        for event in events:
            if isinstance(event, Exec) and not event.error:
                self._forget(event.pid)
                self._start(event)
            elif isinstance(event, Exit):
                self.packages += event.pid in self._compiling and event.status == 0
                self._forget(event.pid)

    def line(self, seconds: float) -> str:
        """As in `gotrace: 34 packages, 3 running (compile net/http, gcc), 5 s`."""
        names = sorted(set(self._running.values()))
        named = ", ".join(names[:_MOST_NAMED]) + (", ..." if len(names) > _MOST_NAMED else "")
        running = f"{len(self._running)} running ({named}), " if names else ""
        return f"gotrace: {self.packages} package{'' if self.packages == 1 else 's'}, {running}{seconds:.0f} s"

    def _start(self, image: Exec) -> None:
        argv = image.argv or ()
        role = role_of(image.path, image.argv)
        if role not in _SHOWN or "-V=full" in argv:  # how cmd/go asks its tools for their version
            return
        package = argv[argv.index("-p") + 1] if "-p" in argv[:-1] else ""
        if role in _NAMED_BY_PACKAGE and package:
            self._running[image.pid] = f"{role.value} {package}"
        else:
            self._running[image.pid] = image.path.rpartition("/")[2]
        if role is Role.COMPILE and package:
            self._compiling.add(image.pid)

    def _forget(self, pid: int) -> None:
        self._running.pop(pid, None)
        self._compiling.discard(pid)
