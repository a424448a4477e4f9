"""`python -m gotrace.cli.warm FD`: gotrace loaded once, and forked for each request that comes over the socket FD.

Half of the CPU time of a short `gotrace build` or `gotrace run` goes into loading it, and `gotrace scenario verify`
starts a thousand of them. What is forked goes where the act is performed, and is the command gotrace; the other end is
`gotrace.scenario.warm`. It ends with whoever started it; what it forked goes on.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any, Final, NamedTuple

import msgspec

from gotrace.cli.app import main as gotrace
from gotrace.cli.preload import load_all
from gotrace.rules import registry
from gotrace.scenario import enter
from gotrace.scenario.plan import Plan

_PASSED_ON: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Request(msgspec.Struct):
    """One start of gotrace; its streams and the socket for the answer come beside it."""

    plan: Plan
    arguments: list[bytes]
    folder: bytes
    env: dict[bytes, bytes]


class _Start(NamedTuple):
    request: Request
    answer: socket.socket
    output: int


def main(words: list[str]) -> None:
    """Serve until the other end is closed; in each fork, be gotrace.

    Raises:
        SystemExit: in a fork, with gotrace's exit code.
    """
    load_all()
    registry.rules()
    gc.collect()
    gc.freeze()  # what is there now is never collected, so that looking for garbage copies no page of it
    _Server(socket.socket(fileno=int(words[0]))).serve()


class _Server:
    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._answers: dict[int, socket.socket] = {}
        """Of those that run, by pid."""
        self._woken, self._wakes = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._before: dict[signal.Signals, Any] = {}

    def serve(self) -> None:
        """Returns when the other end is gone."""
        self._take_signals()
        while True:
            ready, _, _ = select.select([self._control.fileno(), self._woken], [], [])
            if self._woken in ready:
                with suppress(BlockingIOError):
                    os.read(self._woken, 4096)
                self._reap()
            if self._control.fileno() in ready:
                start = _received(self._control)
                if start is None:
                    return
                self._fork(start)

    def _take_signals(self) -> None:
        """Those that end us are for what we forked (who ends us closes the socket); SIGCHLD only wakes us."""
        signal.set_wakeup_fd(self._wakes, warn_on_full_buffer=False)
        self._handle(signal.SIGCHLD, lambda _number, _frame: None)
        for number in _PASSED_ON:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._handle(number, self._pass_on)

    def _handle(self, number: signal.Signals, handler: Callable[[int, FrameType | None], None]) -> None:
        self._before[number] = signal.signal(number, handler)

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        for pid in list(self._answers):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _reap(self) -> None:
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if (answer := self._answers.pop(ended[0], None)) is not None:
                    _tell(answer, os.waitstatus_to_exitcode(ended[1]))
                    answer.close()

    def _fork(self, start: _Start) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)  # none is lost between fork(2) and its own handlers
        pid = os.fork()
        if pid == 0:
            self._forget()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
            _be_gotrace(start)
        self._answers[pid] = start.answer
        _tell(start.answer, pid)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
        os.close(start.output)

    def _forget(self) -> None:
        """In the fork: be no server any more."""
        signal.set_wakeup_fd(-1)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        for one in (self._control, *self._answers.values()):
            one.close()
        for descriptor in (self._woken, self._wakes):
            os.close(descriptor)


def _tell(answer: socket.socket, number: int) -> None:
    with suppress(OSError):  # nobody waits for it any more
        answer.send(struct.pack("=i", number))


def _received(control: socket.socket) -> _Start | None:
    """The next request; None where there will be none."""
    data, descriptors, _, _ = socket.recv_fds(control, 16, 3, socket.MSG_CMSG_CLOEXEC)
    if not data:
        return None
    answer, output, told = descriptors
    with os.fdopen(told, "rb") as stream:
        stream.seek(0)
        request = msgspec.msgpack.decode(stream.read(), type=Request)
    return _Start(request, socket.socket(fileno=answer), output)


def _be_gotrace(start: _Start) -> None:
    start.answer.close()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(start.output, 1)
    os.dup2(start.output, 2)
    os.close(start.output)
    os.environb.clear()
    os.environb.update(start.request.env)
    os.chdir(start.request.folder)
    enter.set_up_or_exit(start.request.plan)
    gotrace([os.fsdecode(word) for word in start.request.arguments])


if __name__ == "__main__":
    main(sys.argv[1:])
