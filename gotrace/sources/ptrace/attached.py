"""The tracer of a process that runs already: becomes the tracer of its whole family, and leaves it as it was.

Nobody is stopped for that (PTRACE_SEIZE), and nobody is detached from: the tracer ends, and the kernel lets all its
tracees go. To stop a thread in order to detach from it would break some calls of it with EINTR (epoll_wait(2) and
others). Before it ends all breakpoints are taken out, and threads that met one are helped over it. If it is killed
instead, the guardian takes them out.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING, Final

from gotrace.sources.ptrace import abi
from gotrace.sources.ptrace.channel import Channel
from gotrace.sources.ptrace.launch import become_keeper, hung_up, say, suppresses_privileges

if TYPE_CHECKING:
    from gotrace.sources.ptrace.compiled import CompiledStops
    from gotrace.sources.ptrace.guardian import Guardian
    from gotrace.sources.ptrace.stops import PythonStops
    from gotrace.sources.ptrace.tracer import Tracer

_PR_SET_PDEATHSIG: Final = 1
_LOOKS: Final = 100
_TRAP: Final = 1 << (signal.SIGTRAP - 1)
_OF_INSTRUCTIONS: Final = frozenset({0x80, 1, 2})
"""si_code of int3 and of single steps: SI_KERNEL, TRAP_BRKPT, TRAP_TRACE; those of ptrace's own stops are larger."""
_QUIET_S: Final = 0.02
"""So long after the last stop nobody is about to meet a breakpoint that was taken out."""
_PATIENCE_S: Final = 5.0
_NAP_S: Final = 0.0005


def serve(connection: socket, channel: Channel, pid: int, *, syscalls: bool) -> None:
    """The tracer's whole life: says its pid, 0 or an errno, the number of processes it follows, and each of them.

    It ends when something is said to it, or gotrace is gone; it says 0 once all is as it was.
    """
    become_keeper()
    say(connection, os.getpid())
    bell = _bell(connection)
    from gotrace.sources.ptrace.abi import FATAL
    from gotrace.sources.ptrace.compiled import stops_of
    from gotrace.sources.ptrace.tracer import Tracer

    guardian = _guardian(pid)
    stops = stops_of(channel.words, FATAL, syscalls=syscalls)
    tracer = Tracer(
        channel,
        stops,
        control=stops,
        terminal=False,
        unprivileged=suppresses_privileges(),
        reader_gone=partial(hung_up, connection),
        guardian=guardian,
    )
    family = Family()
    problem = family.seize(pid, interrupt=syscalls)
    with suppress(OSError):
        say(connection, problem)
        if problem:
            return
        tracer.join(family.threads)
        for number in (len(family.threads), *family.threads):
            say(connection, number)
    try:
        tracer.follow_until(bell)
    finally:
        _leave(tracer, stops)
        if guardian is not None:
            guardian.close()
        with suppress(OSError):
            say(connection, 0)


def _guardian(pid: int) -> Guardian | None:
    """None where nobody may write to the process's memory, so that no breakpoint can stand there either."""
    from gotrace.sources.ptrace.guardian import Guardian

    try:
        return Guardian(pid)
    except OSError:
        return None


def _bell(connection: socket) -> int:
    """A child that ends as soon as gotrace says something, or is gone.

    So it is told by wait(2), which the tracer waits in, and by which it learns of everything else.
    """
    tracer = os.getpid()
    child = os.fork()
    if child:
        return child
    try:
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() == tracer:
            connection.recv(1)
    finally:
        os._exit(0)


class Family:
    """A process and its descendants, seized thread by thread."""

    def __init__(self) -> None:
        self.threads: dict[int, set[int]] = {}
        """Threads that were there, by process. Threads and children of theirs that come later are told by stops."""

    def seize(self, pid: int, *, interrupt: bool = False) -> int:
        """Seize all of them, until a look finds nobody new: 0, or the errno for the process itself.

        `interrupt`: stop each thread for a moment, so that its system calls can be watched from then on.
        """
        problem = self._seize_process(pid)
        if problem:
            return problem
        for _ in range(_LOOKS):
            new = [child for one in list(self.threads) for child in _children_of(one) if child not in self.threads]
            if not [child for child in new if not self._seize_process(child)]:
                break
        if interrupt:
            self._interrupt()
        return 0

    def _seize_process(self, pid: int) -> int:
        from gotrace.sources.ptrace.requests import seize_without_ending_it

        seized: set[int] = set()
        passed_over: dict[int, int] = {}
        for _ in range(_LOOKS):
            new = _threads_of(pid) - seized - passed_over.keys()
            for tid in new:
                problem = seize_without_ending_it(tid)
                if problem:
                    # Gone; a leader that has ended before its threads; or born traced, which a stop will tell.
                    passed_over[tid] = problem
                else:
                    seized.add(tid)
            if not new:
                break
        if seized:
            self.threads[pid] = seized
            return 0
        return passed_over.get(pid, errno.ESRCH)

    def _interrupt(self) -> None:
        from gotrace.sources.ptrace.abi import PTRACE_INTERRUPT
        from gotrace.sources.ptrace.requests import request

        for threads in self.threads.values():
            for tid in threads:
                request(PTRACE_INTERRUPT, tid)


def _threads_of(pid: int) -> set[int]:
    with suppress(OSError):
        return {int(name) for name in os.listdir(f"/proc/{pid}/task")}  # noqa: PTH208  called again and again
    return set()


def _children_of(pid: int) -> Iterator[int]:
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError, ValueError):
            yield from map(int, thread.read_text().split())


def _leave(tracer: Tracer, stops: PythonStops | CompiledStops) -> None:
    """Take out all breakpoints, and serve who met one of them meanwhile, until nobody can any more.

    A family that goes on forking never stops stopping. Other stops than those at breakpoints end with us, so nobody
    waits for these, but for the children who were born with breakpoints: they are there when all has been served once.
    """
    stops.follow_no_calls()
    tracer.take_breakpoints_out()
    now = quiet_since = time.monotonic()
    until, all_served = now + _PATIENCE_S, False
    with suppress(ChildProcessError):
        while now < until:
            stop = stops.next(wait=False)
            if stop is None:
                all_served = True
            else:
                if _is_breakpoint(stops.signal_info(stop.tid)):
                    quiet_since = now
                tracer.serve(stop)
            if all_served and now - quiet_since > _QUIET_S and not _meets_breakpoint(tracer.processes(), stops):
                return
            if stop is None:
                time.sleep(_NAP_S)
            now = time.monotonic()


def _is_breakpoint(signal_info: bytes) -> bool:
    """Whether it is that of an int3 or of a step, which nobody but us takes; that of a stop of ptrace's own is not."""
    if not signal_info:
        return False
    number, code = abi.SIGNAL_NUMBER_AND_CODE.unpack_from(signal_info)
    return number == signal.SIGTRAP and code in _OF_INSTRUCTIONS


def _meets_breakpoint(pids: Iterable[int], stops: PythonStops | CompiledStops) -> bool:
    """Whether a SIGTRAP is on its way to a thread of them, or has stopped it: it would end the process without us."""
    for tid in (tid for pid in pids for tid in _threads_of(pid)):
        with suppress(OSError, ValueError):
            status = Path(f"/proc/{tid}/status").read_text(errors="replace")
            if int(status.partition("\nSigPnd:")[2].partition("\n")[0], 16) & _TRAP:
                return True
            if status.partition("\nState:\t")[2][:1] == "t" and _is_breakpoint(stops.signal_info(tid)):
                return True
    return False
