"""Tells the story of a build as events, for tests that need one without tracing anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from errno import ENOENT
from itertools import count

from gotrace.events.model import Exec, Exit, Fork, KnownEvent, Output, SyscallError


class Story:
    """Events in the order in which they are told, a microsecond apart."""

    def __init__(self) -> None:
        self.events: list[KnownEvent] = []
        self._clock = count(1_000_000, 1_000)
        self._pids = count(100)

    def starts(
        self,
        *argv: str,
        path: str | None = None,
        parent: int | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str = "/src",
    ) -> int:
        """A new process runs `argv`; its pid."""
        pid = next(self._pids)
        if parent is not None:
            self.events.append(Fork(ts_ns=next(self._clock), pid=parent, child_pid=pid))
        self.becomes(pid, *argv, path=path, env=env, cwd=cwd)
        return pid

    def becomes(
        self, pid: int, *argv: str, path: str | None = None, env: Mapping[str, str] | None = None, cwd: str = "/src"
    ) -> None:
        """A process replaces its program."""
        seen = None if env is None else dict(env)
        self.events.append(Exec(ts_ns=next(self._clock), pid=pid, path=path or argv[0], argv=argv, env=seen, cwd=cwd))

    def misses(self, pid: int, *paths: str, syscall: str = "openat") -> None:
        """A process looks for files that are not there."""
        for path in paths:
            self.events.append(
                SyscallError(ts_ns=next(self._clock), pid=pid, syscall=syscall, errno=ENOENT, paths=(path,))
            )

    def says(self, pid: int, text: str) -> None:
        """A process writes to its stderr."""
        self.events.append(Output(ts_ns=next(self._clock), pid=pid, text=text))

    def ends(self, *pids: int, status: int = 0) -> None:
        """Processes end, in this order."""
        self.events += [Exit(ts_ns=next(self._clock), pid=pid, status=status) for pid in pids]

    def runs(self, argv: Sequence[str], *, status: int = 0, env: Mapping[str, str] | None = None, cwd: str) -> int:
        """A process from beginning to end; its pid."""
        pid = self.starts(*argv, env=env, cwd=cwd)
        self.ends(pid, status=status)
        return pid
