"""The process connector as a source: where neither eBPF nor ptrace may be used, it still tells who ran what."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Final, Self

from gotrace.errors import CaptureError, UsageError
from gotrace.events.facets import Facet
from gotrace.events.model import Event, Lost
from gotrace.sources.base import Batch, Lack, Target
from gotrace.sources.netlink.connector import Connector
from gotrace.sources.netlink.obstacles import error_of, obstacle, unanswered
from gotrace.sources.netlink.reader import Reader
from gotrace.sources.netlink.records import NetlinkDecoder, decoder_info
from gotrace.sources.netlink.roll import RollCall

OBSERVES: Final = frozenset({Facet.EXECS, Facet.FROM_START})

_NAME: Final = "netlink"
_DEGRADED: Final = (
    "only forks, execs and exits are seen: no call that fails, no refused exec, no error text",
    "command lines are read from /proc when a program has started: of those that end at once they are missing",
)


class NetlinkSource:
    """Follows a process tree by the kernel's announcements; nothing of it touches the tree."""

    name = _NAME

    def missing(self, *, sudo: bool = False) -> list[Lack]:
        """What keeps the kernel from talking to us: it is asked. `sudo` is of no use here."""
        lack = obstacle()
        return [] if lack is None else [lack]

    def open(self, target: Target, *, sudo: bool = False) -> NetlinkCapture:
        """A capture of `target`; it listens from when it is entered.

        Raises:
            UsageError: it should attach to a process that runs, whose announcements say nothing that is of use.
        """
        if target.pid:
            raise UsageError(
                "the process connector cannot attach to a process that runs", "use --backend ebpf or --backend ptrace"
            )
        return NetlinkCapture(target)


class NetlinkCapture:
    """One running capture; see `gotrace.sources.base.Capture`."""

    source = _NAME

    def __init__(self, target: Target) -> None:
        self.observes = OBSERVES
        self.degraded: tuple[str, ...] = _DEGRADED
        self.followed: tuple[int, ...] = ()
        self.notes: tuple[str, ...] = ()
        self.decoder_info: Mapping[str, Any] = decoder_info(_NAME)
        self._target = target
        self._decoder = NetlinkDecoder(self.decoder_info)
        self._connector: Connector | None = None
        self._roll: RollCall | None = None
        self._reader: Reader | None = None

    def __enter__(self) -> Self:
        """Subscribe: that needs the privilege, which may be gone afterwards.

        Raises:
            NotPermittedError: the kernel refuses it.
            CaptureError: the kernel has no such thing, or not here.
        """
        try:
            self._connector = Connector()
        except OSError as error:
            raise error_of(error) from error
        self._roll = RollCall(self._target.cookie)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for part in (self._reader, self._roll, self._connector):
            if part is not None:
                part.close()

    def attach(self, meanwhile: Callable[[], None] | None = None) -> None:
        """Wait for the kernel's consent, then read in a thread; see the protocol."""
        if self._connector is None or self._roll is None:
            raise CaptureError("the capture was not entered")
        lack = unanswered(self._connector)
        if lack is not None:
            raise error_of(lack)
        self._reader = Reader(self._connector, self._roll)
        self._reader.start()
        if meanwhile is not None:
            meanwhile()

    def child_hook(self) -> None:
        """Run by the launched child."""
        if self._roll is not None:
            self._roll.present()

    def batches(self) -> Iterator[Batch]:
        """All records that are there now."""
        if self._reader is not None and (data := self._reader.take()):
            yield Batch(True, data)

    def decode(self, batch: Batch) -> list[Event]:
        """Events of one batch."""
        return self._decoder.decode(batch.data)

    def gone(self) -> bool:
        """There is nothing but this process."""
        return False

    def terminal_writes(self) -> int:
        """Not observed."""
        return 0

    def stop(self) -> tuple[list[Lost], dict[str, int]]:
        """Read what has happened, and no further; what was lost. The rest can still be taken afterwards."""
        if self._reader is None:
            return [], {}
        self._reader.finish()
        return list(self._losses(self._reader)), {}

    def _losses(self, reader: Reader) -> Iterator[Lost]:
        now = time.monotonic_ns()
        if self._connector is not None and (missed := self._connector.missed.total):
            reason = "the kernel's queue was full: at least so many of its messages are missing, of whatever process"
            yield Lost(ts_ns=now, pid=0, what="unknown", count=missed, reason=reason, exact=False)
        if reader.unread:
            reason = "programs had ended before their command lines could be read"
            yield Lost(ts_ns=now, pid=0, what="exec", count=reader.unread, reason=reason)
        if reader.unended:
            reason = "the kernel stopped telling: processes are gone of whose end it said nothing"
            yield Lost(ts_ns=now, pid=0, what="unknown", count=reader.unended, reason=reason, exact=False)
        if reader.failure is not None:
            reason = f"the process connector could not be read any more: {reader.failure}"
            yield Lost(ts_ns=now, pid=0, what="unknown", count=1, reason=reason, since_ns=reader.failed_ns, exact=False)
        elif not reader.met:
            reason = "the command was never seen: it did not present itself"
            yield Lost(ts_ns=now, pid=0, what="unknown", count=1, reason=reason, exact=False)
