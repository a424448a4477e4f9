"""The course of `gotrace build`: check, run and watch the command, tell, and end as the command ended."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from gotrace.cli import preload, streams
from gotrace.cli.failures import BUILD_FAILED, explain_failure
from gotrace.cli.options import FailOn
from gotrace.cli.outputs import Format, Outputs, acting_as, render
from gotrace.cli.progress import progress

if TYPE_CHECKING:
    from gotrace.capture.privileges import Invoker
    from gotrace.capture.run import Recorded
    from gotrace.rules.finding import Diagnosis

_FINDINGS = 3
_COUNTS_FOR = {FailOn.NONE: frozenset[str](), FailOn.WARNING: {"warning", "error"}, FailOn.ERROR: {"error"}}


@dataclass(slots=True)
class Building:
    """One `gotrace build` as asked for; see `gotrace build --help`."""

    command: tuple[str, ...]
    backend: str
    sudo: bool
    user: str | None
    probe: bool
    quiet: bool
    colour: bool | None
    outputs: Outputs
    fail_on: FailOn
    _removed: list[str] = field(default_factory=list)
    """Variables that sudo took from the command's environment."""

    def run(self) -> int:
        """Do it all; returns the exit code, unless a signal killed the command: then this process dies of it too.

        Raises:
            GotraceError: nothing has run, or the command could not be executed.
        """
        from gotrace.capture.tracee import Status, die_like

        recorded = self._record()
        try:
            code = self._tell(recorded)
        except KeyboardInterrupt:
            code = 130
        except Exception as error:  # the command has run: whatever is wrong with us, its own failure comes first
            code = _told(error)
        outcome = recorded.outcome
        return die_like(Status(outcome.exit, outcome.signal)) or code

    def _record(self) -> Recorded:
        from gotrace.capture import privileges
        from gotrace.capture.backends import record_by

        who = self._who()
        with acting_as(who):
            self.outputs.check()
            readable = preload.readable()
        if not readable:
            preload.load_all()
        self._removed = privileges.removed_by_sudo() if who and not self.user else []
        with progress(quiet=self.quiet) or nullcontext() as line:
            return record_by(self.backend, self.command, sudo=self.sudo, become=who, probe=self.probe, observer=line)

    def _who(self) -> Invoker | None:
        """Who the command is to run as where that is not ourselves."""
        from gotrace.capture import privileges

        return privileges.user(self.user) if self.user else privileges.invoker()

    def _tell(self, recorded: Recorded) -> int:
        """Write the recording, then all reports. What fails is told and does not keep the others from being written."""
        from gotrace.rules.engine import diagnose
        from gotrace.trace.builder import build

        header, events = recorded.header, recorded.events
        code = _attempt(partial(self.outputs.save, header, events))
        trace = build(header, events)
        diagnosis = diagnose(trace)
        text = render(Format.TERMINAL, trace, diagnosis, sys.stderr, colour=self.colour, quiet=self.quiet)
        streams.to_stderr(text + self._on_sudo(diagnosis))
        for report in self.outputs.reports:
            code = _attempt(partial(report.write, trace, diagnosis, colour=self.colour)) or code
        found = any(finding.severity.value in _COUNTS_FOR[self.fail_on] for finding in diagnosis.findings)
        if found and not code and recorded.outcome.exit == 0:
            streams.to_stderr(f"gotrace: exit status {_FINDINGS}, because --fail-on={self.fail_on}\n")
        return code or (_FINDINGS if found else 0)

    def _on_sudo(self, diagnosis: Diagnosis) -> str:
        if not self._removed or (self.quiet and not diagnosis.findings):
            return ""
        names = ", ".join(self._removed)
        return f"gotrace: sudo removed or replaced {names}; `gotrace build --sudo` without sudo in front keeps them\n"


def _attempt(write: Callable[[], None]) -> int:
    """0, or the exit code of a failure that was told. A reader who has seen enough is none."""
    try:
        write()
    except streams.ReaderGoneError:
        return 0
    except Exception as error:
        return _told(error)
    return 0


def _told(error: Exception) -> int:
    streams.to_stderr(explain_failure(error))
    return BUILD_FAILED
