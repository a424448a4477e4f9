"""The ptrace source as the capture layer sees it: a reader of what its tracer, a process of its own, has noted."""

from __future__ import annotations

import errno
import os
import platform
import select
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

from gotrace.errors import CaptureError, NotPermittedError
from gotrace.events.facets import Facet
from gotrace.events.model import Event, Lost
from gotrace.sources.background import in_background
from gotrace.sources.base import Batch, Lack, Target
from gotrace.sources.ptrace import attached, launch, records, trial
from gotrace.sources.ptrace.channel import BLIND, LOST, MISSED, RECORDING, ROOT_GONE, TERMINAL_WRITES, Channel
from gotrace.sources.ptrace.filter import Filter
from gotrace.sources.ptrace.processes import has_ended
from gotrace.sources.ptrace.records import RecordDecoder

_START_SECONDS: Final = 10.0
_END_SECONDS: Final = 5.0
_NAP_S: Final = 0.001
_KINDS: Final = {
    records.FORK: "fork",
    records.EXEC: "exec",
    records.EXIT: "exit",
    records.OUTPUT: "output",
    records.FAILURE: "syscall_error",
    records.LIBRARY: "library",
    records.CALL: "dlopen",
    records.SIGNAL: "signal",
    records.CLOCK_READS: "clock_reads",
}

_UNSEEN: Final = {
    BLIND: "in some programs or C libraries no breakpoint can stand: 32-bit code, a process without a vDSO, a kernel "
    "that lets nobody write to code (proc_mem.force_override), a file that cannot be read, or functions that hold a "
    "breakpoint of somebody else (a uprobe, a debugger) already",
    MISSED: "no breakpoint can stand where these calls came back to",
}
"""Why calls of the loader are missing, by the word that counts them."""

OBSERVES: Final = frozenset({Facet.EXECS, Facet.FAILED_EXECS, Facet.FAILED_PATHS, Facet.STDERR_TEXT, Facet.FROM_START})
OBSERVES_OF_A_RUN: Final = OBSERVES | {
    Facet.LIBRARIES, Facet.DL_CALLS, Facet.SIGNALS, Facet.RESOURCES, Facet.CLOCK_READS,
}  # fmt: skip
OBSERVES_ATTACHED: Final = frozenset({Facet.EXECS, Facet.LIBRARIES, Facet.DL_CALLS, Facet.SIGNALS})
"""No filter can be put into a process that runs, so its system calls are seen only where each of them stops."""


class PtraceSource:
    """Follows a process tree by ptrace(2), without root: forks, execs, exits, failing calls with a path, stderr."""

    name = "ptrace"

    def missing(self, *, sudo: bool = False) -> list[Lack]:
        """What this host lacks; found out by tracing a child."""
        if platform.machine() != "x86_64":
            return [Lack(f"this machine is {platform.machine()}", "capture on x86-64; `gotrace report` works here")]
        if not _proc_is_ours():
            return [Lack("/proc is not that of this PID namespace, or not mounted", "mount -t proc proc /proc")]
        return trial.lacks()

    def open(self, target: Target, *, sudo: bool = False) -> PtraceCapture:
        """A capture of `target`; its tracer starts when it is attached."""
        return PtraceCapture(target)


def _observed(target: Target) -> frozenset[Facet]:
    if not target.pid:
        return OBSERVES_OF_A_RUN if target.running else OBSERVES
    return OBSERVES_OF_A_RUN - {Facet.FROM_START} if target.syscalls else OBSERVES_ATTACHED


def _not_seized(pid: int, problem: int) -> CaptureError:
    if problem == errno.ESRCH:
        return CaptureError(f"process {pid} ended before it could be attached to")
    return NotPermittedError(
        f"the kernel does not let process {pid} be traced ({os.strerror(problem)}): it belongs to somebody else,"
        " has privileges of its own, or has a tracer already",
        f"attach as root: sudo gotrace attach {pid}",
    )


def _proc_is_ours() -> bool:
    """Else /proc/PID would be another process than the one that ptrace means."""
    try:
        return os.readlink("/proc/self") == str(os.getpid())  # noqa: PTH115  it is no path
    except OSError:
        return False


class PtraceCapture:
    """One running capture; see `gotrace.sources.base.Capture`."""

    source = "ptrace"

    def __init__(self, target: Target) -> None:
        self._run = target.running
        self._pid, self._syscalls = target.pid, target.syscalls
        self.observes = _observed(target)
        self.degraded: tuple[str, ...] = ()
        self.followed: tuple[int, ...] = ()
        self.notes: tuple[str, ...] = ()
        self.decoder_info: Mapping[str, Any] = {"source": self.source, "format": records.FORMAT}
        self._decoder = RecordDecoder(self.decoder_info)
        self._tracer_died_ns = 0
        self.tracer_pid = 0

    def __enter__(self) -> Self:
        self._channel = Channel()
        self._ours, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._terminal = os.isatty(1) or os.isatty(2)
        if not self._pid:
            self._present = launch.Presented(self._ours, Filter(stdout=self._terminal, running=self._run))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The tracer stays for as long as there are tracees, and notices that nobody reads any more.
        self._channel.words[RECORDING] = 0
        self._ours.close()
        self._theirs.close()
        self._channel.close()

    def attach(self, meanwhile: Callable[[], None] | None = None) -> None:
        """Start the tracer, which seizes what is to be attached to, or the child as soon as that presents itself."""
        self._ours.settimeout(_START_SECONDS)
        serve = partial(launch.serve, self._theirs, self._channel, terminal=self._terminal, running=self._run)
        if self._pid:
            serve = partial(attached.serve, self._theirs, self._channel, self._pid, syscalls=self._syscalls)
        try:
            in_background(serve, self._theirs)
            self._theirs.close()
            self.tracer_pid = launch.hear(self._ours)
            problem = launch.hear(self._ours) if self._pid else 0
            if self._pid and not problem:
                self.followed = tuple(launch.hear(self._ours) for _ in range(launch.hear(self._ours)))
        except OSError as error:
            raise CaptureError(f"the tracer did not start: {error}", "try again; run `gotrace doctor`") from error
        self._ours.settimeout(None)
        if problem:
            raise _not_seized(self._pid, problem)
        if meanwhile is not None:
            meanwhile()

    def child_hook(self) -> None:
        """Present the launched child to the tracer, and have the observed calls stop."""
        self._theirs.close()  # or we would wait for a tracer that is gone
        self._present()

    def batches(self) -> Iterator[Batch]:
        """All raw records that are there now."""
        if data := self._channel.live.drain():
            yield Batch(True, data)
        if data := self._channel.bulk.drain():
            yield Batch(False, data)

    def decode(self, batch: Batch) -> list[Event]:
        """Events of one batch."""
        return self._decoder.decode(batch.data)

    def gone(self) -> bool:
        """The tracer is."""
        if not self._tracer_died_ns and self._tracer_gone():
            self._tracer_died_ns = time.monotonic_ns()
        return self._tracer_died_ns != 0

    def terminal_writes(self) -> int:
        """Writes of followed processes to a terminal until now."""
        return int(self._channel.words[TERMINAL_WRITES])

    def stop(self) -> tuple[list[Lost], dict[str, int]]:
        """Stop observing: what was lost. The rings can still be drained afterwards.

        The kernel tells us of the command's end only after the tracer knows of it, but not after it has noted it.
        """
        words = self._channel.words
        if self._pid:
            return self._stop_attached()
        until = time.monotonic() + _END_SECONDS
        while not words[ROOT_GONE] and not self._tracer_gone() and time.monotonic() < until:
            time.sleep(_NAP_S)
        words[RECORDING] = 0
        self.gone()
        now = time.monotonic_ns()
        lost = self._lost(now)
        if not words[ROOT_GONE]:
            since = self._tracer_died_ns or now
            reason = (
                "the tracer was killed, and so the kernel ended the command and all its processes (PTRACE_O_EXITKILL)"
                if self._tracer_died_ns
                else "the tracer does not answer: the end of the command was not seen"
            )
            lost.append(Lost(ts_ns=now, pid=0, what="unknown", count=1, since_ns=since, reason=reason, exact=False))
        return lost, {}

    def _stop_attached(self) -> tuple[list[Lost], dict[str, int]]:
        """Have the tracer take out its breakpoints, and end: then nothing of it is left in the processes."""
        died = self._tracer_died_ns
        try:
            self._ours.settimeout(_END_SECONDS)
            launch.say(self._ours, 0)
            launch.hear(self._ours)
            self._await_its_end()
        except OSError:
            died = died or time.monotonic_ns()
        self._channel.words[RECORDING] = 0
        now = time.monotonic_ns()
        lost = self._lost(now)
        if died:
            reason = "the tracer was killed: from then on nothing was seen; its guardian took out the breakpoints"
            lost.append(Lost(ts_ns=now, pid=0, what="unknown", count=1, since_ns=died, reason=reason, exact=False))
        return lost, {}

    def _await_its_end(self) -> None:
        """Only then nobody is traced any more, and somebody else can attach."""
        until = time.monotonic() + _END_SECONDS
        while not has_ended(self.tracer_pid) and time.monotonic() < until:
            time.sleep(_NAP_S)

    def _lost(self, now: int) -> list[Lost]:
        words = self._channel.words
        reason = "the buffer between the tracer and gotrace was full"
        lost = [
            Lost(ts_ns=now, pid=0, what=what, count=words[LOST + kind], reason=reason)
            for kind, what in _KINDS.items() if words[LOST + kind]
        ]  # fmt: skip
        lost += [
            Lost(ts_ns=now, pid=0, what="dlopen", count=words[word], reason=reason, exact=word == MISSED)
            for word, reason in _UNSEEN.items() if words[word]
        ]  # fmt: skip
        return lost

    def _tracer_gone(self) -> bool:
        """Its end of the socket is closed. It also ends by itself, once there are no tracees."""
        poll = select.poll()
        poll.register(self._ours, select.POLLRDHUP | select.POLLHUP)
        return bool(poll.poll(0)) and not self._channel.words[ROOT_GONE]
