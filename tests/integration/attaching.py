"""Starts `gotrace attach`, waits until it is attached, and ends it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

from gotrace.events.model import KnownEvent
from gotrace.events.recording import Header, read_recording
from tests.integration.conftest import GOTRACE
from tests.integration.watching import marked, processes_of, programs_of

AnEvent = TypeVar("AnEvent")


class Told(NamedTuple):
    """What came out of it."""

    exit: int
    stderr: str
    report: dict[str, Any]
    header: Header
    events: list[KnownEvent]

    def of(self, kind: type[AnEvent], pid: int | None = None) -> list[AnEvent]:
        """The events of one kind, of all processes or of one."""
        found = [event for event in self.events if isinstance(event, kind)]
        return [event for event in found if pid is None or getattr(event, "pid", None) == pid]


class Attached:
    """`gotrace attach` that is attached; as a context manager it is killed if it is there yet.

    `by`: what it is started by, if not by the test itself.
    """

    def __init__(
        self, folder: Path, *options: str | float, env: Mapping[str, str] | None = None, by: Sequence[str] = ()
    ) -> None:
        self._recording, self._report = folder / "attached.gotrace", folder / "attached.json"
        outputs = ["-o", str(self._recording), "--report", f"json:{self._report}"]
        self._env = marked(os.environ if env is None else env)
        self.process = subprocess.Popen(
            [*by, GOTRACE, "attach", *map(str, options), *outputs], env=self._env, stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, text=True, errors="backslashreplace",
        )  # fmt: skip
        assert self.process.stderr is not None
        self._said = [self.process.stderr.readline()]
        assert self._said[0].startswith("gotrace: attached to process "), self._said[0] + self.process.stderr.read()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        self._said += self.process.stderr

    def processes(self) -> list[int]:
        """All that belong to gotrace here, by pid."""
        return processes_of(self._env)

    def programs(self) -> set[int]:
        """Ids of the BPF programs that they hold."""
        return {one for pid in self.processes() for one in programs_of(pid)}

    def stop(self, number: int = signal.SIGINT) -> Told:
        """^C it, and what it then told."""
        self.process.send_signal(number)
        return self.end()

    def end(self) -> Told:
        """Wait for its end, and what it told."""
        code = self.process.wait(timeout=120)
        self._reader.join()
        stderr = "".join(self._said)
        assert self._report.is_file(), stderr
        recording = read_recording(self._recording)
        assert recording.damage is None
        return Told(code, stderr, json.loads(self._report.read_text()), recording.header, recording.events)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()
