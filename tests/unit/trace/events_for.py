"""Writes event lists tersely: a story of forks, execs, failing calls and exits, one microsecond after another.

story = Story()
with story.process(1, "go build ."):                       # forks nothing: the command itself
    with story.process(2, "gcc -c x.c", parent=1, status=1):  # fork, exec ... exit 1
        story.fails(2, "openat", 2, "/usr/include/zlib.h")
trace = story.trace()
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from gotrace.events.model import Exec, Exit, Fact, Fork, KnownEvent, Lost, Output, SyscallError
from gotrace.events.recording import Header
from gotrace.trace.builder import build
from gotrace.trace.model import Trace

GOROOT = "/usr/local/go"
TOOLS = f"{GOROOT}/pkg/tool/linux_amd64"
WORK = "/tmp/go-build496108998"
GCC_PARTS = "/usr/lib/gcc/x86_64-linux-gnu/12"

GO_ENV = {
    "GOOS": "linux",
    "GOARCH": "amd64",
    "GOHOSTOS": "linux",
    "GOHOSTARCH": "amd64",
    "CGO_ENABLED": "1",
    "CC": "gcc",
    "CXX": "g++",
}
"""What go 1.26 hands to its tools of what matters here, when the user set nothing."""

_PATHS = {
    "go": f"{GOROOT}/bin/go",
    **{tool: f"{TOOLS}/{tool}" for tool in ("compile", "asm", "cgo", "link", "vet", "pack", "buildid")},
    **{part: f"{GCC_PARTS}/{part}" for part in ("cc1", "cc1plus", "collect2", "lto-wrapper")},
}


class Story:
    """Events in the order they are told."""

    def __init__(self, step_ns: int = 1000) -> None:
        self.events: list[KnownEvent] = []
        self._step_ns = step_ns
        self._now = 1_000_000_000

    @contextmanager
    def process(
        self,
        pid: int,
        command: str | Sequence[str],
        *,
        parent: int | None = None,
        status: int | None = 0,
        signal: int | None = None,
        **exec_: Any,
    ) -> Iterator[None]:
        """A process from its fork (if it has a `parent`) and exec to its exit; the body tells what happens between."""
        if parent is not None:
            self.forks(parent, pid)
        self.execs(pid, command, **exec_)
        yield
        self.exits(pid, status=None if signal else status, signal=signal)

    def runs(self, pid: int, command: str | Sequence[str], **process: Any) -> None:
        """A process in which nothing else happens."""
        with self.process(pid, command, **process):
            pass

    def forks(self, pid: int, child: int) -> None:
        """`pid` makes `child`."""
        self.events.append(Fork(**self._common(pid), child_pid=child))

    def execs(
        self,
        pid: int,
        command: str | Sequence[str] | None,
        *,
        path: str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | None = "/home/u/hello",
        error: int = 0,
        tid: int | None = None,
    ) -> None:
        """An exec, refused with `error` if that is not 0. Short names of tools get their usual path."""
        words = shlex.split(command) if isinstance(command, str) else command
        first = words[0] if words else ""
        where = path or _PATHS.get(first) or (first if "/" in first else f"/usr/bin/{first}")
        given: dict[str, Any] = {"argv": None if words is None else tuple(words), "path": where, "error": error}
        if not error:
            given |= {"env": None if env is None else dict(env), "cwd": cwd}
        self.events.append(Exec(**self._common(pid, tid), **given))

    def exits(self, pid: int, status: int | None = 0, signal: int | None = None) -> None:
        """The end of a process."""
        self.events.append(Exit(**self._common(pid), status=status, signal=signal))

    def fails(self, pid: int, syscall: str, errno: int, *paths: str, repeat: int = 1) -> None:
        """A failing system call."""
        self.events.append(SyscallError(**self._common(pid), syscall=syscall, errno=errno, paths=paths, repeat=repeat))

    def writes(self, pid: int, text: str) -> None:
        """Text on stderr."""
        self.events.append(Output(**self._common(pid), text=text))

    def fact(self, name: str, subject: str = "", **data: Any) -> None:
        """What the capture learned."""
        self.events.append(Fact(**self._common(0), name=name, subject=subject, data=data))

    def loses(self, what: str, count: int = 1) -> None:
        """Events that were not delivered."""
        self.events.append(Lost(**self._common(0), what=what, count=count, reason="ring full"))

    def trace(self, **header: Any) -> Trace:
        """All of it, put together."""
        return build(Header(**{"host": {"machine": "x86_64"}, **header}), self.events)

    def _common(self, pid: int, tid: int | None = None) -> dict[str, Any]:
        self._now += self._step_ns
        return {"ts_ns": self._now, "seq": len(self.events), "pid": pid, "tid": pid if tid is None else tid}
