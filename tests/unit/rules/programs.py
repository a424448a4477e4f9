"""Runs of one program that fails, told tersely, and what the rules say of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from errno import ENOENT
from typing import Any

from gotrace.events.facets import Facet
from gotrace.events.model import Exec, Exit, Fact, KnownEvent, Output, SyscallError
from gotrace.events.recording import Header
from gotrace.rules.engine import diagnose
from gotrace.rules.finding import Finding
from gotrace.trace.builder import build
from tests.unit.rules.scenes import DEBIAN

PID = 7
IMAGE = 4026532000
"""The mount namespace of a container."""


class Program:
    """One run, in the order in which it is told."""

    def __init__(
        self,
        *,
        parts: Sequence[str] | None = (),
        system: Mapping[str, Any] | None = None,
        env: Mapping[str, str] | None = None,
        root: str = "",
        mount_namespace: int = 0,
        argv: Sequence[str] = ("/srv/app",),
    ) -> None:
        """`parts` and `system` are what was looked up of it; None: nobody looked."""
        self._now = 0
        self._argv = tuple(argv)
        self.events: list[KnownEvent] = [
            Exec(
                **self._common(), path="/srv/app", argv=("/srv/app",), env=dict(env or {}), cwd="/srv", root=root,
                mount_namespace=mount_namespace,
            )
        ]  # fmt: skip
        if parts is not None:
            self.fact("go_program", "/srv/app", parts=list(parts))
        if system is not None:
            self.fact("system_files", **system)

    def misses(self, *paths: str, syscall: str = "openat", errno: int = ENOENT, flags: int = 0) -> None:
        """Calls that end with an error."""
        for path in paths:
            args = (0, 0, flags)
            self.events.append(SyscallError(**self._common(), syscall=syscall, errno=errno, paths=(path,), args=args))

    def says(self, text: str) -> None:
        """A line on its stderr that is kept."""
        self.events.append(Output(**self._common(), text=f"{text}\n"))

    def fact(self, name: str, subject: str = "", **data: Any) -> None:
        """What the capture learned of it."""
        self.events.append(Fact(**self._common(), name=name, subject=subject, data=data))

    def findings(self, status: int | None = 1, signal: int | None = None, *, running: bool = True) -> list[Finding]:
        """What all rules say once it has ended."""
        events = [*self.events, Exit(**self._common(), status=status, signal=signal)]
        observes = tuple(facet.value for facet in Facet)
        header = Header(argv=self._argv, host=dict(DEBIAN), observes=observes, running=running)
        diagnosis = diagnose(build(header, events))
        assert [one for one in diagnosis.not_evaluated if "the rule failed" in one.reason] == []
        return diagnosis.findings

    def finding(self, name: str) -> Finding:
        """The only one there may be."""
        found = self.findings()
        assert [one.name for one in found] == [name]
        return found[0]

    def _common(self) -> dict[str, Any]:
        self._now += 1000
        return {"ts_ns": self._now, "seq": self._now // 1000, "pid": PID, "tid": PID}
