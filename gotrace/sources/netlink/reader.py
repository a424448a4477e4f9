"""Reads the connector the moment something happens, in a thread: in a few milliseconds a compiler can be gone."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
import time
from collections import deque
from typing import Final, NamedTuple

import msgspec

from gotrace.sources.netlink.connector import Connector
from gotrace.sources.netlink.lookup import has_ended, look_up, name_as_executed
from gotrace.sources.netlink.records import ExecRecord, Record
from gotrace.sources.netlink.roll import RollCall
from gotrace.sources.netlink.tree import Tree

_BEGINNING_NS: Final = 50_000
"""How long before the message of an exec /proc may tell the new program's command line already."""
_SETTLED_NS: Final = 300_000
"""How long the message of an exec may take to arrive."""
_LATEST_MESSAGE_S: Final = 2.0
"""How long after a process is gone the message of its end may take to arrive, on a machine that is very busy."""
_PATIENCE_MS: Final = 1
_MOST_URGENT: Final = -20
_SWITCH_S: Final = 0.0005
"""How long another Python thread may go on while this one waits to run; Python's own is ten times that."""


class _Held(NamedTuple):
    """A record, and when what it took from /proc was read."""

    record: Record
    read_ns: int


class Reader:
    """Turns messages of the connector into records of the tree of whoever answers the roll call."""

    def __init__(self, connector: Connector, roll: RollCall) -> None:
        self._connector = connector
        self._roll = roll
        self._tree = Tree()
        self._held: deque[_Held] = deque()
        self._lines: deque[bytes] = deque()
        self._encode = msgspec.json.Encoder().encode
        self._ending = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._deadline = 0.0
        self._switch_s = sys.getswitchinterval()
        self._thread = threading.Thread(target=self._work, name="gotrace-netlink", daemon=True)
        self.unread = 0
        """Programs whose command line was gone before it could be read."""
        self.met = False
        """Whether the command was ever seen."""
        self.unended = 0
        """Processes that are gone, and the kernel never told."""
        self.failure: Exception | None = None
        self.failed_ns = 0

    def start(self) -> None:
        """Begin, in a thread of its own, which need not wait long for the others."""
        sys.setswitchinterval(min(_SWITCH_S, self._switch_s))
        self._thread.start()

    def take(self) -> bytes:
        """Whole records that are there now."""
        lines = [self._lines.popleft() for _ in range(len(self._lines))]
        return b"".join(lines)

    def finish(self) -> None:
        """Wait until all that has happened is read, and end the thread. Nothing happens the second time."""
        if self._thread.ident is None or self._deadline:
            return
        self._deadline = time.monotonic() + _LATEST_MESSAGE_S
        os.eventfd_write(self._ending, 1)
        self._thread.join()
        sys.setswitchinterval(self._switch_s)

    def close(self) -> None:
        """End the thread and close what it used."""
        self.finish()
        os.close(self._ending)

    def _work(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # they are for the main thread
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _MOST_URGENT)
        try:
            poll = select.poll()
            poll.register(self._connector, select.POLLIN)
            poll.register(self._ending, select.POLLIN)
            ending = False
            while not ending or self._still_expected():
                ending = self._deadline > 0  # looked at first, so that all is read that has happened until then
                poll.poll(_PATIENCE_MS if self._held or ending else None)
                if ending:
                    with contextlib.suppress(BlockingIOError):
                        os.eventfd_read(self._ending)
                self._read()
        except Exception as error:
            self.failed_ns = time.monotonic_ns()
            self.failure = error

    def _still_expected(self) -> bool:
        if self._held:
            return True
        # The kernel wakes who waits for a process before it sends the message of its end (do_exit in kernel/exit.c).
        self.unended = sum(map(has_ended, self._tree.led_by_themselves()))
        return self.unended > 0 and time.monotonic() < self._deadline

    def _read(self) -> None:
        messages = self._connector.drain()
        for pid in self._roll.answers():  # after the messages: who is presented has made none before
            self._tree.plant(pid)
            self.met = True
        records = [record for message in messages if (record := self._tree.take(message)) is not None]
        execs = [record for record in records if isinstance(record, ExecRecord)]
        self._distrust(execs)
        look_up(list({one.pid: one for one in execs}.values()))  # of each process its latest
        now = time.monotonic_ns()
        self._held.extend(_Held(record, now if isinstance(record, ExecRecord) else 0) for record in records)
        self._publish(now)

    def _distrust(self, execs: list[ExecRecord]) -> None:
        """What was read when the process was about to run its next program may be of either."""
        began = {one.pid: one.ts_ns - _BEGINNING_NS for one in reversed(execs)}
        for record, read_ns in self._held:
            if isinstance(record, ExecRecord) and read_ns > began.get(record.pid, read_ns):
                record.forget()

    def _publish(self, now: int) -> None:
        while self._held and self._held[0].read_ns + _SETTLED_NS <= now:
            record = self._held.popleft().record
            if isinstance(record, ExecRecord):
                self.unread += record.cmdline is None
                name_as_executed(record)
            self._lines.append(self._encode(record) + b"\n")
