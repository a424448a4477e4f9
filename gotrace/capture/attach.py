"""Watches a process that runs already, and its children, until somebody says stop or it has ended."""

from __future__ import annotations

import os
import pwd
import secrets
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

from gotrace.capture import present, procstat, targets
from gotrace.capture.gaps import gaps
from gotrace.capture.header import new_header
from gotrace.capture.naming import Naming
from gotrace.capture.run import Outcome, Recorded, Timings, complete, without_collecting_garbage
from gotrace.capture.run import number as number_all
from gotrace.capture.spool import Spool
from gotrace.capture.watch import Observer, Watch
from gotrace.errors import CaptureError
from gotrace.events.facets import Facet
from gotrace.events.model import Event, Exec, Exit, Fact, KnownEvent
from gotrace.events.recording import Header
from gotrace.events.text import to_bytes
from gotrace.events.tools import is_tool, role_of
from gotrace.sources.base import Batch, Source, Target

_FACTS_S: Final = 1.0
_LAST_S: Final = 0.5
"""So soon after its tracer a process has ended that did not outlive it."""
_ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def attach(
    pid: int,
    *,
    source: Source,
    sudo: bool = False,
    seconds: float | None = None,
    observer: Observer | None = None,
    failing: Callable[[Sequence[Event] | None], None] | None = None,
    notes: Sequence[str] = (),
    probe: bool = True,
    stops: bool = True,
    syscalls: bool = False,
    meanwhile: Callable[[], None] | None = None,
    attached: Callable[[], None] = lambda: None,
) -> Recorded:
    """Watch process `pid` and its descendants under `source` until ^C, for `seconds`, or until it has ended.

    It ends as well where whatever observes is gone; then a Lost of unknown size says since when and why.

    It runs on as if nothing had happened. `attached` is called once everything is watched, and before, while the
    privileged part is at work, `meanwhile`: what costs CPU time is best done before the program is watched. `failing`
    as in `gotrace.capture.watch.Watch`. `probe`: its files are looked at afterwards. `stops` as in
    `gotrace.capture.run.record`; `syscalls`: failing calls are wanted also where each call of the process costs a stop
    (ptrace). SIGINT, SIGTERM and SIGHUP end it like ^C (in the main thread).

    Raises:
        UsageError: there is no such process, or it is none that can be attached to.
        NotPermittedError: it is somebody else's, or the kernel refuses it.
        CaptureError: the source cannot follow it.
    """
    began = time.monotonic()
    targets.check(pid)
    if source.name == "ptrace":
        targets.check_traceable(pid)
    target = Target(secrets.randbits(63) + 1, running=True, stops=stops, pid=pid, syscalls=syscalls)
    with _Life(pid) as life, _told_to_stop(life.wake) as told, source.open(target, sudo=sudo) as capture:
        before_ns = time.monotonic_ns()
        program = present.program_of(pid)
        capture.attach(meanwhile)
        header = new_header([os.fsdecode(to_bytes(word)) for word in program.argv or ()], "", capture)
        header.cwd, header.started_ns, header.running, header.attached = program.cwd or "", before_ns, True, pid
        header.degraded = (*notes, *header.degraded, *filter(None, [targets.note(pid)]))
        spool = Spool(header, capture.decoder_info, lambda data: capture.decode(Batch(False, data)))
        watch = Watch(capture, spool, observer, Naming(), failing)
        watch.keep(list(present.events_of(capture.followed or (pid,), before_ns)))
        attached()
        ready, cpu = time.monotonic(), time.process_time()
        until = None if seconds is None else ready + seconds
        while not told() and not life.over(watch.pause_s) and (until is None or time.monotonic() < until):
            watch.tick()
            if watch.blind and not life.over(_LAST_S):  # a tracer ends with its last tracee too
                break
        ended, cpu = time.monotonic(), time.process_time() - cpu
        ended_ns = time.monotonic_ns()
        lost, noise = watch.finish()
        detached = time.monotonic()
        with without_collecting_garbage():
            events = watch.named(spool.read_back(lambda data: capture.decode(Batch(False, data))))
        lost += spool.lost()
    outcome = _outcome(pid, events, ended - ready)
    outliving = [one for one in watch.still_running() if one != pid] if life.ended else []
    header.degraded = (*header.degraded, *capture.notes, *gaps(header.source, events, lost, outliving))
    counts = {"noise": noise, "streamed": len(events) + watch.dropped}
    events += lost
    complete(events, outcome, counts, watch, ended_ns)
    read = time.monotonic()
    if probe:
        _look_at_files(header, events, watch)
    number_all(events)
    watch.namespaces.close()
    spool.discard()
    timings = Timings(ready - began, ended - ready, detached - ended, read - detached, time.monotonic() - read, cpu)
    return Recorded(header, events, outcome, timings)


class _Life:
    """Whether the process is there, by a descriptor that never means another one."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.ended = False
        try:
            self._pidfd: int | None = os.pidfd_open(pid)
        except ProcessLookupError:
            raise CaptureError(f"process {pid} ended just now") from None
        except OSError:  # a seccomp filter that does not know pidfd_open(2)
            self._pidfd = None
        self._woken = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._poll = select.poll()
        self._poll.register(self._woken, select.POLLIN)
        if self._pidfd is not None:
            self._poll.register(self._pidfd, select.POLLIN)

    def wake(self) -> None:
        """Whoever waits for its end waits no longer; for signal handlers."""
        os.eventfd_write(self._woken, 1)

    def over(self, seconds: float) -> bool:
        """Wait so long for its end, or until woken."""
        if any(ready == self._pidfd for ready, _ in self._poll.poll(seconds * 1000)):
            self.ended = True
        elif self._pidfd is None:
            self.ended = procstat.state(self._pid) in ("", "Z", "X")
        return self.ended

    def __enter__(self) -> _Life:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._woken)
        if self._pidfd is not None:
            os.close(self._pidfd)


@contextmanager
def _told_to_stop(wake: Callable[[], None]) -> Iterator[Callable[[], bool]]:
    """Whether a signal has said so, which also calls `wake`. SIGTERM and SIGHUP that are ignored stay so (nohup(1)).

    SIGINT does not: a script's `gotrace attach PID &` has it ignored by the shell, and to `kill -INT` it later is the
    usual way to end what watches, as with strace and perf. Python handles signals in its main thread only.
    """
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()
        wake()

    if threading.current_thread() is not threading.main_thread():
        yield stopping.is_set
        return
    handlers = {one: signal.getsignal(one) for one in _ENDING}
    before = {one: was for one, was in handlers.items() if one == signal.SIGINT or was is not signal.SIG_IGN}
    for one in before:
        signal.signal(one, stop)
    try:
        yield stopping.is_set
    finally:
        for one, handler in before.items():
            signal.signal(one, handler if handler is not None else signal.SIG_DFL)


def _outcome(pid: int, events: Sequence[KnownEvent], seconds: float) -> Outcome:
    end = next((event for event in reversed(events) if isinstance(event, Exit) and event.pid == pid), None)
    status, number = (None, None) if end is None else (end.status, end.signal)
    return Outcome(status, number, seconds, pid, _user_of(pid))


def _user_of(pid: int) -> str:
    """Whose process it is; our own user where it is gone."""
    uid = os.geteuid()
    with suppress(OSError):
        uid = os.stat(f"/proc/{pid}").st_uid  # noqa: PTH116
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _look_at_files(header: Header, events: list[KnownEvent], watch: Watch) -> None:
    """Append what the files of the processes say. No program is asked: who is attached to is not whose tools run."""
    from gotrace.capture.facts.processes import Processes
    from gotrace.capture.facts.runs import facts_of_run

    try:
        found = facts_of_run(Processes(events), events, watch.namespaces, _FACTS_S)
    except (KeyboardInterrupt, Exception) as error:
        why = "interrupted" if isinstance(error, KeyboardInterrupt) else f"{type(error).__name__}: {error}"
        header.degraded = (*header.degraded, f"the files were not looked at: {why}")
        return
    now = time.monotonic_ns()
    if not any(isinstance(event, Exec) and is_tool(role_of(event.path, event.argv)) for event in events):
        header.observes = (*header.observes, Facet.PROBED.value)  # there is no tool to ask
    events += [Fact(ts_ns=now, pid=one.pid, name=one.name, subject=one.subject, data=one.data) for one in found]
