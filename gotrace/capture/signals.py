"""Signals while a command runs in our process group: what is meant for it reaches it once, and we outlive it.

The terminal signals the whole foreground group, so the command has got a ^C already when we see it. What another
process sends to gotrace alone is meant for the command and is passed on. The kernel says which is which: `si_code` is
above zero (SI_KERNEL) for the terminal and at most zero (SI_USER, SI_QUEUE, SI_TKILL) for a process; sigaction(2).
What a process sends to the whole group (a shell's `kill %1`) has reached the command too; see `witness`.
What the command's own processes send to us (kill(0, ...), a SIGUSR1 to the parent) is not passed back to it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Any, Self

from gotrace.capture.prctl import PR_SET_PDEATHSIG, prctl
from gotrace.capture.procstat import descends, state
from gotrace.capture.witness import Witness

RELAYED = (
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGTSTP,
    signal.SIGTTIN,
    signal.SIGTTOU,
)
_FROM_THE_TERMINAL = frozenset({signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU})
_STOPPED = ("T", "t")
"""The second one is for a process that somebody traces (proc(5))."""
_WATCH_S = 0.05


class Relay:
    """Holds back our RELAYED signals between enter and exit, and gives `send` those that are for the command `pid`.

    A signal that was ignored or blocked before stays so. Outside the main thread, where Python lets nobody handle
    signals, it does nothing (`active` is False).
    """

    def __init__(self, pid: int, send: Callable[[int], None]) -> None:
        self._pid = pid
        self._send = send
        self._previous: dict[signal.Signals, Any] = {}
        self._mask: set[int] = set()
        self._witness: Witness | None = None
        self.active = False

    def __enter__(self) -> Self:
        if threading.current_thread() is not threading.main_thread():
            return self
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        for one in RELAYED:
            handler = signal.getsignal(one)
            if handler not in (signal.SIG_IGN, None) and one not in self._mask:
                self._previous[one] = handler
        signal.pthread_sigmask(signal.SIG_BLOCK, self._previous)
        self.active = True
        # A thread that does not block them may be handed one: without a handler that would end gotrace.
        for one in self._previous:
            signal.signal(one, self._taken_by_another_thread)
        self._witness = Witness()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.active:
            return
        self.active = False
        while self._waiting() is not None:
            pass  # the command has ended: what came for it has nobody to go to
        for one, handler in self._previous.items():
            signal.signal(one, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        if self._witness:
            self._witness.end()

    def forward(self) -> None:
        """Pass on what has arrived since the last call."""
        if not self.active:
            return
        arrived = list(iter(self._waiting, None))
        if not arrived:
            return
        has_got = self._witness.seen() if self._witness and _group(self._pid) == os.getpgrp() else frozenset()
        for info in arrived:
            if _to_us_alone(info) and info.si_signo not in has_got and not descends(info.si_pid, self._pid):
                self._send(info.si_signo)

    def _waiting(self) -> signal.struct_siginfo | None:
        return signal.sigtimedwait(self._previous, 0)

    def _taken_by_another_thread(self, number: int, _frame: FrameType | None) -> None:
        # Nothing says who sent it: a signal that a terminal sends has reached the command, the others have not.
        if self.active and number not in _FROM_THE_TERMINAL:
            self._send(number)

    def stop_like(self, number: int) -> None:
        """Stop ourselves because the command was stopped by `number`, so that the shell sees its job stopped.

        Returns when both go on: after `fg`, or after somebody continued either of the two. Does nothing when inactive.
        """
        if not self.active:
            return
        same_group = number in self._previous and _group(self._pid) == os.getpgrp()
        waker = _continue_us_after(self._pid)
        try:
            if same_group:
                _stop_by(number, self._taken_by_another_thread)
            else:
                # Of another group's stop signal ours might take no notice (it may be orphaned); of SIGSTOP it must.
                os.kill(os.getpid(), signal.SIGSTOP)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(waker, signal.SIGKILL)
            os.waitpid(waker, 0)
        if not _was_continued(self._pid):
            self._send(signal.SIGCONT)


def _to_us_alone(info: signal.struct_siginfo) -> bool:
    """Not from the terminal; but when that hangs up only the leader of its session is told, and that may be us."""
    return info.si_code <= 0 or (info.si_signo == signal.SIGHUP and os.getsid(0) == os.getpid())


def _was_continued(pid: int) -> bool:
    """Whether our child, which was stopped, has got a SIGCONT since.

    Its state does not say it: of a process that is traced it changes a moment later, and a second SIGCONT is one too
    many for a command that handles them.
    """
    try:
        return os.waitid(os.P_PID, pid, os.WCONTINUED | os.WNOHANG) is not None
    except ChildProcessError:
        return True


def _stop_by(number: int, handler: Callable[[int, FrameType | None], None]) -> None:
    """Take the default action of a stop signal that is held back, then hold it back again."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})  # stops here
    signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    signal.signal(number, handler)


def _continue_us_after(pid: int) -> int:
    """A process that continues us as soon as `pid` runs again, for a `kill -CONT` that names only the command.

    Nothing else could: a stopped process cannot watch its child. It lives while we are stopped and dies with us.
    """
    us = os.getpid()
    watcher = os.fork()
    if watcher:
        return watcher
    try:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        while os.getppid() == us:
            if state(pid) not in _STOPPED and state(us) == "T":
                os.kill(us, signal.SIGCONT)
                break
            time.sleep(_WATCH_S)
    finally:
        os._exit(0)


@contextlib.contextmanager
def children_reported() -> Iterator[None]:
    """While SIGCHLD is ignored nobody learns how a child ended (wait(2)); inside here it is not, in the main thread."""
    ignored = signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN
    if not ignored or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return -1
