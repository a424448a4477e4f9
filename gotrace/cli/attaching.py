"""The course of `gotrace attach`: find the process, watch it, tell."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gotrace.cli import streams
from gotrace.cli.outputs import Format, Outputs, acting_as, render
from gotrace.errors import UsageError

if TYPE_CHECKING:
    from gotrace.capture.privileges import Invoker
    from gotrace.capture.run import Recorded
    from gotrace.events.model import Lost
    from gotrace.rules.finding import Diagnosis
    from gotrace.trace.model import Trace

_FINDINGS, _FAILED = 1, 2


@dataclass(slots=True)
class Attaching:
    """One `gotrace attach` as asked for; see its --help."""

    pid: int | None
    name: str | None
    container: str | None
    seconds: float | None
    backend: str
    sudo: bool
    interval: float | None
    quiet: bool
    colour: bool | None
    probe: bool
    stops: bool
    syscalls: bool
    timings: bool
    outputs: Outputs

    def run(self) -> int:
        """Do it all; returns the exit code.

        Raises:
            GotraceError: it could not be attached; the process runs on.
        """
        from gotrace.capture import privileges
        from gotrace.capture.backends import attach_by
        from gotrace.cli.showing import watching

        who = privileges.invoker()
        with acting_as(who):
            self.outputs.check()
        pid = self._target()
        with watching(pid, quiet=self.quiet, interval=self.interval, colour=self.colour) or nullcontext() as view:
            recorded = attach_by(
                self.backend,
                pid,
                sudo=self.sudo,
                seconds=self.seconds,
                observer=view,
                failing=view.failing if view is not None else None,
                probe=self.probe,
                stops=self.stops,
                syscalls=self.syscalls,
                meanwhile=_load,
                attached=view.begin if view is not None else lambda: None,
            )
        return self._tell(recorded, who)

    def _target(self) -> int:
        from gotrace.capture import targets

        given = [one for one in (self.pid, self.name, self.container) if one is not None]
        if len(given) != 1:
            raise UsageError(
                "say which process is meant: by its PID, by --name, or by --container" if not given else
                "PID, --name and --container each say which process is meant: give one of them",
                "gotrace attach PID",
            )  # fmt: skip
        if self.name is not None:
            return targets.named(self.name)
        if self.container is not None:
            return targets.in_container(self.container)
        return self.pid or 0

    def _tell(self, recorded: Recorded, who: Invoker | None) -> int:
        """Write the report to the terminal first, then the recording and the other reports."""
        from gotrace.reports.timings import rule_timings
        from gotrace.rules.engine import diagnose
        from gotrace.trace.builder import build

        header, events = recorded.header, recorded.events
        trace = build(header, events)
        diagnosis = diagnose(trace)
        streams.to_stderr(_blind(trace))
        streams.to_stderr(render(Format.TERMINAL, trace, diagnosis, sys.stderr, colour=self.colour, quiet=self.quiet))
        if self.timings:
            streams.to_stderr(rule_timings(diagnosis))
        with acting_as(who):
            code = self.outputs.save(header, events)
            code = self.outputs.write_reports(trace, diagnosis, colour=self.colour, timings=self.timings) or code
        return code or exit_code(trace, diagnosis)


def exit_code(trace: Trace, diagnosis: Diagnosis) -> int:
    """2 where the watching broke off; 1 where something was found, or the program crashed or failed meanwhile."""
    from gotrace.reports.ending import ending_of
    from gotrace.reports.headline import crashed_while_it_runs

    if blind_since(trace) is not None:
        return _FAILED
    return _FINDINGS if diagnosis.findings or ending_of(trace).failed or crashed_while_it_runs(trace) else 0


def blind_since(trace: Trace) -> Lost | None:
    """What says that from some moment on nothing was seen; None where all the time was watched."""
    return next((lost for lost in trace.lost if lost.what == "unknown" and lost.since_ns), None)


def _blind(trace: Trace) -> str:
    """That the watching broke off, and why; empty where it did not."""
    from gotrace.reports.ending import ending_of
    from gotrace.reports.escape import safe_line

    lost = blind_since(trace)
    if lost is None:
        return ""
    goes_on = "" if ending_of(trace).known else f"; process {trace.header.attached} runs on, and is watched no longer"
    return f"gotrace: error: {safe_line(lost.reason)}{goes_on}\n"


def _load() -> None:
    """Load what the report needs: it has to follow ^C at once, and what is watched should not wait for a CPU."""
    from gotrace.capture import facts  # noqa: F401
    from gotrace.reports import terminal  # noqa: F401
    from gotrace.rules import registry

    registry.rules()
