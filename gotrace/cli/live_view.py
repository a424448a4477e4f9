"""The live view of an attached program on a terminal, drawn four times a second by a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Final, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from gotrace.cli.watching import Watching, name_of, threads_of
from gotrace.host.sockets import Overview, Sockets
from gotrace.reports.escape import safe_line
from gotrace.reports.wording import counted

_DRAWN_S: Final = 0.25
_SOCKETS_S: Final = 1.0
_ROWS_ASIDE: Final = 9
"""Lines that are no failing calls."""
_LIBRARIES: Final = 3
_LISTENING: Final = 3


class LiveView(Watching):
    """Failing calls by rate, libraries, calls of dlopen and dlsym, threads, sockets. Gone when it ends."""

    def __init__(self, pid: int, stream: TextIO, *, colour: bool | None = None) -> None:
        super().__init__(pid)
        self._console = Console(file=stream, no_color=colour is False, highlight=False, markup=False)
        self._live: Live | None = None
        self._over = threading.Event()
        self._sockets: Overview | str = "not looked at yet"
        self._drawn = 0.0

    def begin(self) -> None:
        """Begin to draw."""
        self._began = self._clock()
        self._live = Live(self._drawing(), console=self._console, transient=True, auto_refresh=False)
        self._live.start()
        threading.Thread(target=self._look_at_sockets, daemon=True).start()

    def tick(self, _terminal_writes: int) -> None:
        """Draw, unless that was a moment ago."""
        now = self._clock()
        if self._live is not None and now - self._drawn >= _DRAWN_S:
            self._drawn = now
            self._live.update(self._drawing(), refresh=True)

    def ended(self) -> None:
        """Take it away."""
        self._over.set()
        live, self._live = self._live, None
        if live is not None:
            with suppress(OSError):  # the terminal may be gone
                live.stop()

    def _look_at_sockets(self) -> None:
        """In a thread: it enters the network namespace of the program, and loads pyroute2."""
        try:
            sockets = Sockets(self._pid)
            while not self._over.wait(_SOCKETS_S):
                self._sockets = sockets.look()
            sockets.close()
        except Exception as error:  # they are an extra: whatever is wrong with them, the rest goes on
            self._sockets = f"not to be seen: {error}"

    def _drawing(self) -> Group:
        seen, now = self.happenings, self._clock()
        head = f"gotrace: process {self._pid} ({name_of(self._pid)}), {now - self._began:.0f} s; ^C ends it"
        return Group(
            Text(head, style="bold"),
            _line("threads", f"{threads_of(self._pid)}, in {counted(len(seen.processes), 'process')}"),
            *self._of_sockets(),
            _line("libraries", ", ".join(path.rpartition("/")[2] for path in list(seen.libraries)[-_LIBRARIES:])),
            _line("loader", "; ".join(list(seen.journal)[-_LIBRARIES:])),
            *([_line("signals", ", ".join(f"{n} {name}" for name, n in seen.signals.items()))] if seen.signals else []),
            self._failures(now),
        )

    def _of_sockets(self) -> Iterator[Text]:
        found = self._sockets
        if isinstance(found, str):
            yield _line("sockets", found)
            return
        states = ", ".join(f"{number} {state}" for state, number in sorted(found.states.items())) or "none"
        overflows = "" if found.overflows is None else f", {found.overflows} overflows of listen queues here"
        yield _line("sockets", f"{states}; {found.retransmits} retransmits{overflows}")
        for one in found.listening[:_LISTENING]:
            style = "bold red" if one.queued > one.limit else ""
            yield _line("", f"{one.address}:{one.port}: {one.queued} of {one.limit} wait to be accepted", style)

    def _failures(self, now: float) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(justify="right")
        table.add_column(justify="right")
        table.add_column(no_wrap=True, overflow="ellipsis")
        table.add_row(Text("a second", "dim"), Text("in all", "dim"), Text("failing calls", "dim"))
        for what, rate, count in self.happenings.rates(now)[: max(1, self._console.height - _ROWS_ASIDE - _LISTENING)]:
            table.add_row(f"{rate:.1f}", str(count), Text(safe_line(what)))
        return table


def _line(label: str, text: str, style: str = "") -> Text:
    return Text.assemble((f"{label:<11}", "cyan"), (safe_line(text), style), no_wrap=True, overflow="ellipsis")
