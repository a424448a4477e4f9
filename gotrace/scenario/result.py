"""What came of a scenario."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Status(StrEnum):
    """How it ended: as its file says, short of that, or not at all for want of something."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class ActResult:
    """What came of one act. `why` says where it fell short; nothing where it did not."""

    name: str
    title: str
    command: tuple[str, ...]
    seconds: float
    why: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    diagnosed: bool = True
    """gotrace said what the act expects it to say, whatever else was wrong."""
    recording: Path | None = None

    @property
    def ok(self) -> bool:
        """It is as the scenario says."""
        return not self.why


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """What came of all its acts under one backend."""

    id: str
    backend: str
    status: Status
    environment: str
    seconds: float = 0.0
    acts: tuple[ActResult, ...] = ()
    verdict: str | None = None
    why: str = ""
    """In one line: what was missing, or the first thing that fell short."""

    @property
    def reproduced(self) -> bool | None:
        """The failure (or the healthy build) happened as the file says, whatever was said of it; None: not tried."""
        act = self._act("reproduce")
        return None if act is None else all(_is_about_diagnosis(one) for one in act.why)

    @property
    def diagnosed(self) -> bool | None:
        """The expected finding came first."""
        act = self._act("reproduce")
        return None if act is None else act.diagnosed

    @property
    def fixed(self) -> bool | None:
        """Every fix works, and nothing is found any more; None where there is none, or none was tried."""
        tried = [act for act in self.acts if act.name != "reproduce"]
        return all(act.ok for act in tried) if tried else None

    @property
    def findings(self) -> tuple[str, ...]:
        """Root causes found in the reproduction."""
        act = self._act("reproduce")
        return () if act is None else act.findings

    def _act(self, name: str) -> ActResult | None:
        return next((act for act in self.acts if act.name == name), None)


DIAGNOSIS = "diagnosis: "
"""What begins so in an act's `why` is about what gotrace said, not about what happened."""


def _is_about_diagnosis(why: str) -> bool:
    return why.startswith(DIAGNOSIS)
