"""Puts events together: which process ran which images, who started whom, and what happened in which of them.

Decisions that the rest of gotrace relies on:

* A process is one life of a pid. A fork starts a life even where that pid seems alive (then its exit was lost), and
  any event of a pid that no fork announced starts one without a parent (a gap).
* A span's parent is the image that was running where its process came from: for the first exec of a forked process
  the image its parent ran at the fork, for a further exec of the same process (`ccache gcc` becoming gcc, a shell's
  `exec`, go switching its toolchain) the image it replaces. So every span has one way up to the command.
* A forked process that has not exec'd runs its parent's image; what fails in it (the PATH look-up of a vfork child)
  belongs to that image's span as well as to the process itself.
* The kernel names an exec by the thread group, and a thread that execs takes over the leader's number (execve(2)), so
  an exec from any thread is simply the process's next image.
* Only the last image of a process has an exit; earlier ones end where the next one starts.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

from gotrace.events.model import (
    ClockReads,
    Dlerror,
    Dlopen,
    Dlsym,
    Exec,
    Exit,
    Fact,
    Fork,
    KnownEvent,
    Library,
    Lost,
    Output,
    Signal,
    SyscallError,
)
from gotrace.events.recording import Header
from gotrace.events.tools import role_of
from gotrace.trace import compilers, gobuild, packages, probes, roles
from gotrace.trace.model import Process, Span, Trace


def build(header: Header, events: Sequence[KnownEvent], damage: str | None = None) -> Trace:
    """Put the events of one recording together, whatever is missing among them.

    `events` may come in any order: `ts_ns` and then `seq` decide. `damage` says what is wrong with the recording.
    """
    trace = Trace(header=header, events=len(events), damage=damage)
    assembly = _Assembly(trace)
    for event in sorted(events, key=attrgetter("ts_ns", "seq")):
        assembly.take(event)
    trace.root = _root(trace)
    roles.refine(trace)
    packages.assign(trace)
    probes.mark(trace)
    compilers.identify(trace)
    gobuild.find_builds(trace)
    return trace


class _Assembly:
    """The state while events are read in order: who is alive, and the image each of them runs."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._alive: dict[int, Process] = {}
        self._image: dict[int, Span | None] = {}

    def take(self, event: KnownEvent) -> None:
        """Give one event its place. Failing calls come first: most events are."""
        if isinstance(event, SyscallError):
            process = self._alive.get(event.pid) or self._appear(event.pid, event.ts_ns)
            process.errors.append(event)
            image = self._image[event.pid]
            if image is not None:
                image.errors.append(event)
        elif isinstance(event, Exec):
            if event.error:
                self._refused_exec(event)
            else:
                self._exec(event)
        elif isinstance(event, Fork):
            self._fork(event)
        elif isinstance(event, Exit):
            self._exit(event)
        elif isinstance(event, Output):
            self._output(event)
        elif isinstance(event, Fact | Lost):
            self._about_the_trace(event)
        else:
            self._of_a_running_image(event)

    def _about_the_trace(self, event: Fact | Lost) -> None:
        if isinstance(event, Fact):
            self._trace.facts.append(event)
        else:
            self._trace.lost.append(event)

    def _of_a_running_image(self, event: Library | Dlopen | Dlsym | Dlerror | Signal | ClockReads) -> None:
        self._process(event)
        image = self._image[event.pid]
        if image is None:
            return
        if isinstance(event, Library):
            image.libraries.append(event)
        elif isinstance(event, Signal):
            image.signals.append(event)
        elif isinstance(event, ClockReads):
            image.clock_reads.append(event)
        else:
            image.linking.append(event)

    def _appear(self, pid: int, ts_ns: int, parent: Process | None = None) -> Process:
        """Begin a life of `pid`; without a parent where no fork told of it."""
        process = Process(pid=pid, start_ns=ts_ns, parent=parent)
        self._trace.processes.append(process)
        self._alive[pid] = process
        self._image[pid] = None
        return process

    def _process(self, event: KnownEvent) -> Process:
        return self._alive.get(event.pid) or self._appear(event.pid, event.ts_ns)

    def _fork(self, event: Fork) -> None:
        parent = self._process(event)
        image = self._image[event.pid]
        child = self._appear(event.child_pid, event.ts_ns, parent)
        parent.children.append(child)
        self._image[event.child_pid] = image

    def _exec(self, event: Exec) -> None:
        process = self._process(event)
        before = self._image[event.pid]
        span = Span(
            process=process,
            exec=event,
            role=role_of(event.path, event.argv),
            start_ns=event.ts_ns,
            parent=before,
        )
        if before is not None:
            before.children.append(span)
            if before.process is process:
                before.end_ns = event.ts_ns
        process.spans.append(span)
        self._trace.spans.append(span)
        self._image[event.pid] = span

    def _refused_exec(self, event: Exec) -> None:
        self._process(event).failed_execs.append(event)
        image = self._image[event.pid]
        if image is not None:
            image.failed_execs.append(event)

    def _output(self, event: Output) -> None:
        self._process(event).output.append(event)
        image = self._image[event.pid]
        if image is not None:
            image.output.append(event)

    def _exit(self, event: Exit) -> None:
        process = self._process(event)
        process.exit = event
        process.end_ns = event.ts_ns
        if process.spans:
            process.spans[-1].exit = event
            process.spans[-1].end_ns = event.ts_ns
        del self._alive[event.pid]
        del self._image[event.pid]


def _root(trace: Trace) -> Process | None:
    """The command: the process that the `command` fact names, else the one of the first exec."""
    command = trace.fact("command") or {}
    pid = command.get("pid")
    named = next((process for process in trace.processes if process.pid == pid), None)
    if named is not None:
        return named
    return trace.spans[0].process if trace.spans else None
