"""Starts the command behind a gate, waits for it, and leaves its signals, descriptors and terminal as they would be."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import select
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import NamedTuple, NoReturn, Self

from gotrace.capture.command import checked, locate, refusal
from gotrace.capture.prctl import PR_SET_DUMPABLE, prctl
from gotrace.capture.signals import Relay
from gotrace.errors import CaptureError, CommandError, UsageError

_REFUSED = struct.Struct("<BI")
"""What the child writes where it could not become the command: the step that failed and its errno."""
_CHDIR, _HOOK, _EXEC = range(3)
_NEVER_RAN = 125
_PATIENCE_MS = 20
_OVER = (os.CLD_EXITED, os.CLD_KILLED, os.CLD_DUMPED)


class Status(NamedTuple):
    """How a command ended: it returned `exit`, or `signal` killed it. The other one is None."""

    exit: int | None
    signal: int | None


class Tracee:
    """A command, from the fork until it is gone. Use it as a context manager.

    It stays in our process group and session, so that ^C and ^Z of the terminal reach it exactly once.
    Leaving the context before `release` ends the waiting child; a command that runs is left running.
    """

    def __init__(self, pid: int, start: _Start, cwd: str | None, on_stop: Callable[[], None] | None) -> None:
        self.pid = pid
        self.pidfd = _pidfd(pid)
        self._gate = start.gate[1]
        self._refused = start.refused[0]
        self._path = start.path
        self._cwd = cwd
        self._on_stop = on_stop
        self._sigchld_ignored = start.sigchld_ignored
        self._released = False
        self._reaped = False
        self._status: Status | None = None
        self._relay = Relay(pid, self.send)
        self._ending = select.poll()
        if self.pidfd is not None:
            self._ending.register(self.pidfd, select.POLLIN)

    @classmethod
    def launch(
        cls,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: str | None = None,
        hook: Callable[[], None] = lambda: None,
        on_stop: Callable[[], None] | None = None,
    ) -> Tracee:
        """Fork a child that waits at the gate; on `release` it runs `hook` and then one execve, nothing else.

        `cwd` None is our own working directory. `on_stop` is called before we stop ourselves as the command was.
        If we die before the gate opens, the child ends at once.

        Raises:
            CommandError: there is no such command (exit code 127), or it cannot be executed (126).
            UsageError: `argv` or `env` is no argument vector or environment.
        """
        words = list(argv)
        variables = checked(words, env)
        ignored = signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN
        if ignored and threading.current_thread() is not threading.main_thread():
            raise UsageError("SIGCHLD is ignored: nobody could learn how the command ends", "set it to SIG_DFL")
        folder = _open_folder(cwd)
        try:
            path = locate(words[0], variables, cwd)
            gate = os.pipe()  # close-on-exec, as all that Python opens
            refused = os.pipe()
            start = _Start(path, words, variables, folder, hook, gate, refused, ignored)
            pid = start.fork()
        finally:
            if folder is not None:
                os.close(folder)
        os.close(gate[0])
        os.close(refused[1])
        return cls(pid, start, cwd, on_stop)

    def release(self) -> None:
        """Open the gate; returns when the command's own first instruction is next (or the child is gone).

        Raises:
            CommandError: the kernel refused to execute it (exit code 126 or 127).
            CaptureError: `hook` failed.
        """
        self._relay.__enter__()
        self._released = True
        with contextlib.suppress(BrokenPipeError):  # somebody ended the child at the gate: poll() tells
            os.write(self._gate, b"g")
        os.close(self._gate)
        answer = select.poll()
        answer.register(self._refused, select.POLLIN)
        while not answer.poll(_PATIENCE_MS):
            self._attend()  # ^Z may stop it even here
        words = os.read(self._refused, _REFUSED.size)
        if len(words) == _REFUSED.size:
            self._raise_refusal(*_REFUSED.unpack(words))

    def _raise_refusal(self, step: int, number: int) -> NoReturn:
        self._wait_for(os.WEXITED)
        self._status = Status(_NEVER_RAN, None)
        if step == _EXEC:
            raise refusal(self._path, number, self._cwd)
        if step == _CHDIR:
            raise CommandError(f"{self._cwd}: {os.strerror(number)}", "name a folder that you may enter", exit_code=126)
        raise CaptureError(f"the child could not present itself to the tracer: {os.strerror(number)}")

    def poll(self, timeout_s: float) -> Status | None:
        """How the command ended, or None if it still runs after `timeout_s` seconds.

        Passes signals on meanwhile, and stops ourselves where the command was stopped; see `signals`.
        """
        deadline = time.monotonic() + timeout_s
        while self._status is None:
            left_ms = max(0.0, (deadline - time.monotonic()) * 1000)
            self._ending.poll(min(left_ms, _PATIENCE_MS))
            self._attend()
            if left_ms <= _PATIENCE_MS:
                break
        return self._status

    def _attend(self) -> None:
        self._relay.forward()
        if self._status is not None:
            return
        seen = self._wait_for(os.WEXITED | os.WSTOPPED | os.WNOHANG)
        if seen is None:
            return
        if seen.si_code == os.CLD_EXITED:
            self._status = Status(seen.si_status, None)
        elif seen.si_code in (os.CLD_KILLED, os.CLD_DUMPED):
            self._status = Status(None, seen.si_status)
        elif seen.si_code == os.CLD_STOPPED:
            self._relay.forward()  # the terminal's own stop signal must not be left to stop us twice
            if self._on_stop and self._relay.active:
                self._on_stop()
            self._relay.stop_like(seen.si_status)

    def send(self, number: int) -> None:
        """Send the command a signal; nothing happens where it is gone or belongs to somebody else."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self.pidfd is not None:
                signal.pidfd_send_signal(self.pidfd, number)
            elif not self._reaped:  # until then the number is nobody else's
                os.kill(self.pid, number)

    def _wait_for(self, options: int) -> os.waitid_result | None:
        seen = os.waitid(os.P_PID, self.pid, options)
        self._reaped = seen is not None and seen.si_code in _OVER
        return seen

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._relay.__exit__(kind, error, trace)
        if not self._released:
            os.close(self._gate)
            self.send(signal.SIGKILL)
            self._wait_for(os.WEXITED)
        if self._sigchld_ignored:
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        os.close(self._refused)
        if self.pidfd is not None:
            os.close(self.pidfd)


class _Start(NamedTuple):
    """What the child needs between fork and execve; all of it is made before the fork."""

    path: str
    argv: list[str]
    env: dict[str, str]
    folder: int | None
    hook: Callable[[], None]
    gate: tuple[int, int]
    refused: tuple[int, int]
    sigchld_ignored: bool
    """Then it is the default while we wait, for the kernel would reap the command itself; the child ignores it."""

    def fork(self) -> int:
        defaults = _handled()
        # No signal may run a handler of ours in the child: it would see two of everything.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            if self.sigchld_ignored:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            pid = os.fork()
            if pid == 0:
                self._become_the_command(defaults, mask)
            return pid
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def _become_the_command(self, defaults: set[signal.Signals], mask: set[int]) -> NoReturn:
        step = _CHDIR
        try:
            os.close(self.gate[1])
            os.close(self.refused[0])
            for one in defaults:
                signal.signal(one, signal.SIG_DFL)
            if self.sigchld_ignored:
                signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            opened = os.read(self.gate[0], 1)
            if opened:
                if self.folder is not None:
                    os.fchdir(self.folder)
                step = _HOOK
                self.hook()
                step = _EXEC
                os.execve(self.path, self.argv, self.env)
        except OSError as error:
            os.write(self.refused[1], _REFUSED.pack(step, error.errno or 0))
        except BaseException:
            os.write(self.refused[1], _REFUSED.pack(step, 0))
        finally:
            os._exit(_NEVER_RAN)


def _pidfd(pid: int) -> int | None:
    """A descriptor of our child, by which its end is noticed at once; None where a seccomp filter refuses the call.

    gVisor, and filters written before Linux 5.3, do not know pidfd_open(2). Without it the end is noticed by looking
    every 20 ms; the number of a child that was not waited for is not given to another process.
    """
    try:
        return os.pidfd_open(pid)
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EPERM, errno.EACCES):
            return None
        raise


def _handled() -> set[signal.Signals]:
    """Signals that execve(2) would not set back to what the caller had.

    Handlers are set back by the kernel, but must not run in the child before. SIGPIPE and SIGXFSZ are ignored by
    Python itself at its start (Python/pylifecycle.c); whatever else is ignored was so before us and stays so.
    """
    ours = {signal.SIGPIPE, signal.SIGXFSZ}
    for one in signal.Signals:
        if signal.getsignal(one) not in (signal.SIG_DFL, signal.SIG_IGN, None):
            ours.add(one)
    return ours


def _open_folder(cwd: str | None) -> int | None:
    if cwd is None:
        return None
    try:
        return os.open(cwd, os.O_PATH | os.O_DIRECTORY)
    except OSError as error:
        message = f"{cwd}: {os.strerror(error.errno or 0)}"
        raise CommandError(message, "name a folder that exists", exit_code=126) from None


def die_like(status: Status) -> int:
    """End this process by the signal that ended the command, without a second core dump; or return its exit code."""
    if status.signal is None:
        return status.exit or 0
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    prctl(PR_SET_DUMPABLE, 0)  # a core_pattern that pipes does not ask for the limit; core(5)
    with contextlib.suppress(OSError, ValueError):  # SIGKILL has no disposition
        signal.signal(status.signal, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {status.signal})
    os.kill(os.getpid(), status.signal)
    return 128 + status.signal
