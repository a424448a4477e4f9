"""Asks a tool a question: a short sub-process with a time limit, whose answer is its standard output."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

_LARGEST_ANSWER = 32 << 20
_LARGEST_COMPLAINT = 4096
_READ_SIZE = 1 << 16


class NoAnswerError(Exception):
    """A tool did not answer; the text says why, in a few words."""


class Asker:
    """Asks tools until a common deadline: what is not answered by then is not answered.

    Safe to use from several threads at once.
    """

    def __init__(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds

    @property
    def seconds_left(self) -> float:
        """Time until the deadline, never negative."""
        return max(0.0, self._deadline - time.monotonic())

    def ask(self, argv: Sequence[str], *, env: Mapping[str, str], cwd: str) -> str:
        """Standard output of a command that is run in `cwd` with exactly `env`.

        Raises:
            NoAnswerError: it cannot be run, fails, says too much, or is not done at the deadline.
        """
        if self.seconds_left == 0.0:
            raise NoAnswerError("no time left")
        try:
            process = subprocess.Popen(
                argv,
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                # A group of its own: a time limit must end a compiler's children too.
                process_group=0,
            )
        except (OSError, ValueError) as error:
            raise NoAnswerError(getattr(error, "strerror", None) or str(error)) from error
        with process:
            try:
                answer, complaint = self._read(process)
            finally:
                _end_group(process)
        if process.returncode != 0:
            first_line = complaint.strip().partition("\n")[0]
            raise NoAnswerError(first_line or f"exit status {process.returncode}")
        return answer

    def _read(self, process: subprocess.Popen[bytes]) -> tuple[str, str]:
        """Both outputs until they end. Reads no more than the limits, however much a tool writes."""
        assert process.stdout is not None
        assert process.stderr is not None
        answer, complaint = bytearray(), bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ, answer)
            selector.register(process.stderr, selectors.EVENT_READ, complaint)
            while selector.get_map():
                ready = selector.select(self.seconds_left)
                if not ready:
                    raise NoAnswerError("no answer in time")
                for key, _ in ready:
                    chunk = os.read(key.fd, _READ_SIZE)
                    if not chunk:
                        selector.unregister(key.fileobj)
                    key.data.extend(chunk)
                del complaint[_LARGEST_COMPLAINT:]
                if len(answer) > _LARGEST_ANSWER:
                    raise NoAnswerError("its answer is too long")
        try:
            process.wait(self.seconds_left)
        except subprocess.TimeoutExpired as error:
            raise NoAnswerError("no end in time") from error
        return answer.decode(errors="surrogateescape"), complaint.decode(errors="replace")


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the process group: nothing that a question started may outlive it."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
