"""Starts gotrace for an act: forked from one that is loaded already (`gotrace.cli.warm`), as if it were executed."""

from __future__ import annotations

import atexit
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from gotrace.scenario.plan import Plan

_PROGRAM: Final = "gotrace.cli.warm"
_END_S: Final = 5.0
_HERE: Final = Plan()


class _Server:
    """The loaded gotrace, as long as this process lives."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", _PROGRAM, str(theirs.fileno())],
                cwd=Path("/"),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        atexit.register(self.end)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def start(self, request: bytes, output: int) -> socket.socket:
        """Have gotrace started; the socket that its exit status comes over."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        told = os.memfd_create("request", os.MFD_CLOEXEC)  # of any size, which a datagram is not
        try:
            os.write(told, request)
            socket.send_fds(self._control, [b"start"], [theirs.fileno(), output, told])
        except BaseException:
            ours.close()
            raise
        finally:
            os.close(told)
            theirs.close()
        return ours

    def end(self) -> None:
        """It goes; what was started with it goes on."""
        atexit.unregister(self.end)
        self._control.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class _Warm:
    """The one server of this process, started when it is first needed, and again where somebody killed it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._server: _Server | None = None

    def start(self, request: bytes, output: int) -> socket.socket:
        """As `_Server.start`; called by any thread."""
        with self._lock:
            if self._server is None or not self._server.alive:
                self._server = _Server()
            return self._server.start(request, output)

    def end(self) -> None:
        with self._lock:
            server, self._server = self._server, None
        if server is not None:
            server.end()


_WARM: Final = _Warm()


def run(
    arguments: Sequence[str],
    *,
    plan: Plan = _HERE,
    folder: Path,
    env: Mapping[str, str],
    output: int,
    seconds: float,
) -> int:
    """Run `gotrace ARGUMENTS...` with this environment; its exit status, or -N where signal N ended it.

    Args:
        arguments: without the word gotrace.
        plan: how it goes into an environment first; one that it may go into by itself
            (`gotrace.scenario.enter.by_itself`).
        folder: where it is run.
        env: its whole environment.
        output: descriptor for its stdout and stderr; its stdin is empty.
        seconds: how long it may take.

    Raises:
        OSError: it cannot be started, or whoever started it was killed.
        TimeoutError: it took longer, and was killed.
    """
    request = {
        "plan": plan,
        "arguments": [os.fsencode(word) for word in arguments],
        "folder": os.fsencode(folder),
        "env": {os.fsencode(name): os.fsencode(value) for name, value in env.items()},
    }
    with _WARM.start(msgspec.msgpack.encode(request), output) as answer:
        pid = _number(answer)
        answer.settimeout(seconds)
        try:
            return _number(answer)
        except TimeoutError:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            raise TimeoutError(f"it took more than {seconds:.0f} s") from None


def end() -> None:
    """Have no such helper any more, until one is needed again. Without this it ends with this process."""
    _WARM.end()


def _number(answer: socket.socket) -> int:
    told = answer.recv(16)
    if not told:
        raise OSError("what starts gotrace for acts was killed")
    number: int = struct.unpack("=i", told)[0]
    return number
