"""Findings: what a rule says about a trace."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from gotrace.trace.model import Span


class Severity(StrEnum):
    """How bad: an `error` broke the step, a `warning` shipped something else than asked."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One event that proves a finding, in strace notation."""

    ts_ns: int
    pid: int
    text: str
    event: str
    """The kind of the event: exec, syscall_error, output, exit, fact."""


@dataclass(frozen=True, slots=True)
class Fix:
    """One way out. `command` is an argument list that can be pasted once joined by shlex; None: nothing to run."""

    text: str
    command: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """The line of a Go package that asked for what failed: an `import "C"`, a `#cgo` line, an `#include`."""

    file: str
    """Absolute, where that is known."""
    line: int
    column: int
    """In bytes, from 1, as Go counts them."""
    text: str
    """What stands there: the word or the line that asked."""
    package: str | None = None


@dataclass(slots=True)
class Finding:
    """One problem: what broke, the process that saw it, the evidence, the fix."""

    code: str
    name: str
    severity: Severity
    message: str
    """One sentence in plain words, naming the things of this machine and this command."""
    span: Span | None = field(repr=False)
    """The tool run that saw it."""
    evidence: list[Evidence]
    fix: list[Fix]
    confidence: float = 1.0
    """1.0: decided by calls, execs and exit statuses. Lower where a text or an absence had to help."""
    explains: frozenset[str] = frozenset()
    """Keys of what this finding accounts for (see `gotrace.rules.engine`); findings that share one fold together."""
    consequences: list[Finding] = field(default_factory=list)
    source: Source | None = None
    """Where the project asked for it; filled in by the engine from what the finding explains."""


@dataclass(frozen=True, slots=True)
class NotEvaluated:
    """A rule that could not be decided on this trace; it never counts as clean."""

    code: str
    name: str
    reason: str


@dataclass(slots=True)
class Diagnosis:
    """All that the rules say about one trace: findings (root cause first) and what could not be decided."""

    findings: list[Finding] = field(default_factory=list)
    not_evaluated: list[NotEvaluated] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    """Seconds each rule took, by code."""
