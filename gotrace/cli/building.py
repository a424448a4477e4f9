"""The course of `gotrace build` and `gotrace run`: check, run and watch the command, tell, and end as it ended."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from gotrace.cli import preload, streams
from gotrace.cli.failures import BUILD_FAILED, explain_failure
from gotrace.cli.options import FailOn
from gotrace.cli.outputs import Format, Outputs, acting_as, render
from gotrace.cli.progress import Progress, progress
from gotrace.events.errno import errno_numbers
from gotrace.events.model import SyscallError

if TYPE_CHECKING:
    from gotrace.capture.privileges import Invoker
    from gotrace.capture.run import Recorded
    from gotrace.rules.finding import Diagnosis

_FINDINGS = 3
_REFUSED = errno_numbers("EPERM", "EACCES")
_COUNTS_FOR = {FailOn.NONE: frozenset[str](), FailOn.WARNING: {"warning", "error"}, FailOn.ERROR: {"error"}}


@dataclass(slots=True)
class Building:
    """One `gotrace build` or `gotrace run` as asked for; see their --help."""

    command: tuple[str, ...]
    backend: str
    sudo: bool
    user: str | None
    probe: bool
    quiet: bool
    colour: bool | None
    outputs: Outputs
    fail_on: FailOn
    fresh: bool = False
    timings: bool = False
    running: bool = False
    """The command is a program's run, not a build: libraries, dlopen and dlsym, and signals are watched too."""
    stops: bool = True
    """A process may be stopped while a C library not seen before is looked into."""
    _removed: list[str] = field(default_factory=list)
    """Variables that sudo took from the command's environment."""
    _caller: str = ""
    """Who called sudo, and so runs the command; afterwards this process is no longer root, and cannot tell."""

    def run(self) -> int:
        """Do it all; returns the exit code, unless a signal killed the command: then this process dies of it too.

        Raises:
            GotraceError: nothing has run, or the command could not be executed.
        """
        from gotrace.capture.tracee import Status, die_like

        who = self._who()
        with self._build_cache(who) as cache:
            recorded = self._record(who, cache)
            try:
                code = self._tell(recorded)
            except KeyboardInterrupt:
                code = 130
            except Exception as error:  # the command has run: whatever is wrong with us, its own failure comes first
                streams.to_stderr(explain_failure(error))
                code = BUILD_FAILED
        if cache is not None and cache.exists():
            streams.to_stderr(
                f"gotrace: the build cache of --fresh is not removed wholly: rm -rf {quote(str(cache))}\n"
            )
        outcome = recorded.outcome
        return die_like(Status(outcome.exit, outcome.signal)) or code

    def _build_cache(self, who: Invoker | None) -> AbstractContextManager[Path | None]:
        """The folder that --fresh asks for, while it is there."""
        if not self.fresh:
            return nullcontext()
        from gotrace.capture.fresh import fresh_cache

        return fresh_cache(partial(acting_as, who))

    def _record(self, who: Invoker | None, cache: Path | None) -> Recorded:
        from gotrace.capture import fresh, privileges
        from gotrace.capture.backends import record_by

        with acting_as(who):
            self.outputs.check()
            readable = preload.readable()
        if not readable:
            preload.load_all()
        self._caller = who.name if who and not self.user else ""
        self._removed = privileges.removed_by_sudo() if self._caller else []
        env = None if cache is None else fresh.with_cache(os.environ, cache)
        with self._progress() or nullcontext() as line:
            recorded = record_by(
                self.backend,
                self.command,
                sudo=self.sudo,
                become=who,
                probe=self.probe,
                observer=line,
                env=env,
                running=self.running,
                stops=self.stops,
            )
        if cache is not None:
            fresh.note(recorded.events, cache)
        return recorded

    def _progress(self) -> Progress | None:
        """A line while a build says nothing. A program has its terminal for itself: it may read it, or draw on it."""
        return None if self.running else progress(quiet=self.quiet)

    def _who(self) -> Invoker | None:
        """Who the command is to run as where that is not ourselves."""
        from gotrace.capture import privileges

        return privileges.user(self.user) if self.user else privileges.invoker()

    def _tell(self, recorded: Recorded) -> int:
        """Write the recording, then all reports. What fails is told and does not keep the others from being written."""
        from gotrace.reports.timings import rule_timings
        from gotrace.rules.engine import diagnose
        from gotrace.trace.builder import build

        header, events = recorded.header, recorded.events
        code = self.outputs.save(header, events)
        trace = build(header, events)
        diagnosis = diagnose(trace)
        text = render(Format.TERMINAL, trace, diagnosis, sys.stderr, colour=self.colour, quiet=self.quiet)
        streams.to_stderr(text + self._on_user(recorded) + self._on_sudo(diagnosis))
        code = self.outputs.write_reports(trace, diagnosis, colour=self.colour, timings=self.timings) or code
        if self.timings:
            streams.to_stderr(rule_timings(diagnosis))
        found = any(finding.severity.value in _COUNTS_FOR[self.fail_on] for finding in diagnosis.findings)
        if found and not code and recorded.outcome.exit == 0:
            streams.to_stderr(f"gotrace: exit status {_FINDINGS}, because --fail-on={self.fail_on}\n")
        return code or (_FINDINGS if found else 0)

    def _on_user(self, recorded: Recorded) -> str:
        """That not root ran a program which was refused something: below sudo it is the caller who does."""
        outcome = recorded.outcome
        if not self._caller or not self.running or not (outcome.exit or outcome.signal):
            return ""
        if not any(isinstance(one, SyscallError) and one.errno in _REFUSED for one in recorded.events):
            return ""
        return f"gotrace: it ran as {self._caller}, who called sudo; `gotrace run --user root` runs it as root\n"

    def _on_sudo(self, diagnosis: Diagnosis) -> str:
        if not self._removed or (self.quiet and not diagnosis.findings):
            return ""
        names = ", ".join(self._removed)
        command = "run" if self.running else "build"
        return (
            f"gotrace: sudo removed or replaced {names}; `gotrace {command} --sudo` without sudo in front keeps them\n"
        )
