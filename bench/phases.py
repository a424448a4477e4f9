"""Where the CPU of a run under gotrace went: before the command's first instruction, while it ran, after its end."""

from __future__ import annotations

import os
import select
import time
from typing import NamedTuple

from bench import proc

_NAP_S = 0.002


class Course(NamedTuple):
    """CPU seconds of the three phases; the three together are all there was."""

    start_s: float
    command_s: float
    """The command, and what gotrace and its detached part (tracer, collector) used while it ran."""
    report_s: float
    """gotrace and the tools that it asks for facts."""
    detached_s: float
    """The part of `command_s` that is the tracer's or the collector's."""


class _Account(NamedTuple):
    """What was used until some moment."""

    gotrace_s: float
    reaped_s: float
    """By children that gotrace has waited for."""
    detached_s: float


class Phases:
    """Watches one `gotrace build`, which is our child, from outside. Orphans must fall to us."""

    def __init__(self, gotrace: int) -> None:
        self._gotrace = gotrace
        self._first = self._last = self._final = _Account(0, 0, 0)

    def watch(self) -> None:
        """Wait until its command has ended, or gotrace without having run one."""
        command = self._command()
        if command is None:
            return
        self._first = self._now()
        try:
            running = os.pidfd_open(command)
        except ProcessLookupError:
            self._last = self._now()
            return
        poll = select.poll()
        poll.register(running, select.POLLIN)
        poll.poll()
        os.close(running)
        at_end = self._now()
        while proc.text(proc.PROC / f"{command}/stat"):
            time.sleep(0.0005)
        # Now gotrace has reaped the command, and what it asks tools for takes it some time yet.
        self._last = at_end._replace(reaped_s=proc.reaped_s(self._gotrace))

    def ended(self) -> None:
        """Note what gotrace has used; it is gone, but not yet reaped."""
        self._final = self._now()

    def course(self, all_s: float, detached_s: float) -> Course:
        """The phases of a run in which everything used `all_s`, and the detached part `detached_s`."""
        start = sum(self._first)
        after = self._final.gotrace_s - self._last.gotrace_s + self._final.reaped_s - self._last.reaped_s
        report = after + detached_s - self._last.detached_s
        return Course(start, all_s - start - report, report, self._last.detached_s - self._first.detached_s)

    def _command(self) -> int | None:
        while proc.state(self._gotrace) != "Z":
            command = proc.command_of(self._gotrace)
            if command is not None:
                return command
            time.sleep(_NAP_S)
        return None

    def _now(self) -> _Account:
        detached = proc.children(os.getpid()) - {self._gotrace}
        return _Account(proc.own_s(self._gotrace), proc.reaped_s(self._gotrace), sum(map(proc.own_s, detached)))
