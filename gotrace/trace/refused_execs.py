"""Programs that the kernel refused to run, and whether the one that wanted them had another way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gotrace.events.model import Exec
from gotrace.trace.model import Process, Span, Trace


@dataclass(frozen=True, slots=True)
class RefusedExec:
    """One execve(2) that failed."""

    call: Exec
    span: Span
    """The image that wanted it: of a child that was forked for it the parent's."""
    replaced: bool
    """Its process ran something else afterwards (the next folder of PATH, a script's shell), or ended well."""


def refused_execs(trace: Trace) -> Iterator[RefusedExec]:
    """All of them, by the image that wanted them."""
    lives = {id(call): process for process in trace.processes for call in process.failed_execs}
    for span in trace.spans:
        for call in span.failed_execs:
            process = lives.get(id(call), span.process)
            yield RefusedExec(call, span, _replaced(call, process))


def _replaced(call: Exec, process: Process) -> bool:
    if any(image.start_ns >= call.ts_ns for image in process.spans):
        return True
    return process.exit is not None and process.exit.status == 0
