"""A terminal with a program on it, as a user has: what is typed arrives as keys, what is shown can be waited for."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

INTERRUPT, SUSPEND = b"\x03", b"\x1a"
"""What ^C and ^Z send."""


class Terminal:
    """A pseudo-terminal whose session a program leads."""

    def __init__(
        self,
        argv: Sequence[str | Path],
        env: Mapping[str, str],
        *,
        cwd: Path,
        rows: int = 30,
        columns: int = 100,
        kind: str = "dumb",
    ) -> None:
        """`kind` is its TERM."""
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = subprocess.Popen(
            [str(word) for word in argv],
            env={**env, "TERM": kind},
            cwd=cwd,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509  there is but one thread
        )
        os.close(theirs)
        self.shown = ""

    def press(self, keys: bytes | str) -> None:
        """Press these keys."""
        os.write(self._ours, keys.encode() if isinstance(keys, str) else keys)

    def wait(self, text: str, times: int = 1, seconds: float = 60.0) -> str:
        """Read on until `text` has been shown that often; all that was shown."""
        deadline = time.monotonic() + seconds
        while self.shown.count(text) < times:
            assert time.monotonic() < deadline, f"never shown: {text!r}; but:\n{self.shown}"
            if not self._read(0.05) and self.process.poll() is not None and not self._read(0.05):
                break
        assert self.shown.count(text) >= times, f"ended without showing {text!r}:\n{self.shown}"
        return self.shown

    def end(self, seconds: float = 60.0) -> int:
        """Wait for the program; its exit code."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"still runs; shown:\n{self.shown}"
            self._read(0.05)
        while self._read(0.05):
            pass
        return self.process.returncode

    def _read(self, seconds: float) -> bool:
        if not select.select([self._ours], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self._ours, 65536)
        except OSError:  # EIO: nobody has the other side open
            return False
        self.shown += data.decode(errors="backslashreplace").replace("\r\n", "\n")
        return bool(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        os.close(self._ours)  # hangs up: what else runs on it gets SIGHUP
        self.process.wait()
