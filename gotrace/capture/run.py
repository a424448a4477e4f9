"""Runs a command under a capture from its first instruction to its end, and makes the recording of it."""

from __future__ import annotations

import contextlib
import gc
import os
import pwd
import secrets
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import force_setattr

from gotrace.capture import privileges
from gotrace.capture.command import locate
from gotrace.capture.gaps import gaps
from gotrace.capture.header import new_header
from gotrace.capture.roots import Namespaces
from gotrace.capture.signals import children_reported
from gotrace.capture.spool import Spool
from gotrace.capture.tracee import Status, Tracee
from gotrace.capture.watch import TICK_S, Observer, Watch
from gotrace.errors import CommandError, GotraceError
from gotrace.events.facets import Facet
from gotrace.events.model import Event, Fact, KnownEvent
from gotrace.events.recording import Header
from gotrace.sources.base import Batch, Capture, Source, Target

if TYPE_CHECKING:
    from gotrace.capture.naming import Naming

__all__ = ["Observer", "Outcome", "Recorded", "Timings", "record"]


class Outcome(NamedTuple):
    """How the command ended: `exit`, or the `signal` that killed it, after `seconds`; and the `user` it ran as."""

    exit: int | None
    signal: int | None
    seconds: float
    pid: int
    user: str


class Timings(NamedTuple):
    """Where the wall time of a capture went, in seconds.

    `start` until the gate opened, `command` until the command had ended, then `detach` (the probes), `read` (decode and
    order all events) and `facts`. `cpu` is gotrace's own CPU time while the command ran.
    """

    start: float
    command: float
    detach: float
    read: float
    facts: float
    cpu: float


class Recorded(NamedTuple):
    """A finished capture."""

    header: Header
    events: list[KnownEvent]
    outcome: Outcome
    timings: Timings


def record(
    argv: Sequence[str],
    *,
    source: Source,
    target: Target | None = None,
    sudo: bool = False,
    become: privileges.Invoker | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    probe: bool = True,
    observer: Observer | None = None,
    notes: Sequence[str] = (),
    running: bool = False,
    stops: bool = True,
) -> Recorded:
    """Run `argv` under `source` and return what happened, once it has ended.

    `become` turns this whole process into that user, for good, as soon as the privileged part of the source is started.
    `env` None is our own environment, `cwd` None our own folder. `probe`: the tools are asked for facts afterwards.
    `notes` are what else the recording says in `degraded`: why this source was chosen. `running`: the command is a
    program's run, not a build: libraries, what is asked of the loader, and signals are followed too; `stops` says
    whether a process may be stopped while a C library not seen before is looked into.

    Raises:
        CommandError: the command cannot be executed.
        IdentityError: we cannot become that user; the command has not run.
        CaptureError: the source cannot follow it; it has not run, and another source may be tried.
        UsageError: `argv` is no command.
    """
    began, hidden = time.monotonic(), None
    _occupy_standard_descriptors()
    if become and argv:
        hidden = privileges.found_only_in_users_path(argv[0])
    variables = dict(os.environ if env is None else env)
    if target is None:
        program = _program(argv, variables, cwd) if running else ""
        target = Target(secrets.randbits(63) + 1, running=running, program=program, stops=stops)
    with source.open(target, sudo=sudo) as capture:
        if become:
            privileges.become(become)
            variables = dict(os.environ if env is None else env)
        if become and env is not None:
            variables = privileges.environment(become, env)
        launch = _Launch(argv, variables, cwd, hidden)
        with launch.behind_the_gate(capture, observer) as tracee:
            capture.attach()
            header = new_header(argv, launch.folder(), capture)
            header.degraded = (*notes, *header.degraded)
            header.running = running
            spool = Spool(header, capture.decoder_info, lambda data: capture.decode(Batch(False, data)))
            watch = Watch(capture, spool, observer, _naming() if running else None)
            _release(tracee, spool)
            released, cpu = time.monotonic(), time.process_time()
            status = _wait(tracee, watch)
            ended, cpu = time.monotonic(), time.process_time() - cpu
        ended_ns = time.monotonic_ns()
        lost, noise = watch.finish()
        detached = time.monotonic()
        with without_collecting_garbage():
            events = watch.named(spool.read_back(lambda data: capture.decode(Batch(False, data))))
        lost += spool.lost()
    outcome = Outcome(status.exit, status.signal, ended - released, tracee.pid, _user())
    outliving = [pid for pid in watch.still_running() if pid != tracee.pid]
    header.degraded = (*header.degraded, *capture.notes, *gaps(header.source, events, lost, outliving))
    counts = {"noise": noise, "streamed": len(events) + watch.dropped}
    with without_collecting_garbage():
        events += lost
        complete(events, outcome, counts, watch, ended_ns)
    read = time.monotonic()
    if probe:
        _ask_for_facts(header, events, outcome, launch, watch.namespaces)
    watch.namespaces.close()
    spool.discard()
    timings = Timings(
        released - began, ended - released, detached - ended, read - detached, time.monotonic() - read, cpu
    )
    return Recorded(header, events, outcome, timings)


def _naming() -> Naming:
    from gotrace.capture.naming import Naming  # builds need none of it

    return Naming()


def _program(argv: Sequence[str], env: Mapping[str, str], cwd: str | None) -> str:
    """The file that the command is, absolute; empty where there is none: whoever starts it will say so."""
    try:
        return os.path.realpath(os.path.join(cwd or "", locate(argv[0], env, cwd))) if argv else ""  # noqa: PTH118
    except CommandError:
        return ""


def _occupy_standard_descriptors() -> None:
    """Where the caller closed 0, 1 or 2, let no file of ours get that number: what is written there would go into it.

    The command finds them closed all the same, for these are closed on exec.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)


class _Launch(NamedTuple):
    """What is launched, and how."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str | None
    hidden: str | None
    """Where the invoking user's own PATH has the command, if the present one has not."""

    def behind_the_gate(self, capture: Capture, observer: Observer | None) -> Tracee:
        stopping = observer.stopping if observer else None
        try:
            return Tracee.launch(self.argv, env=self.env, cwd=self.cwd, hook=capture.child_hook, on_stop=stopping)
        except CommandError as error:
            if self.hidden is None:
                raise
            name = self.argv[0]
            raise CommandError(
                f"{name}: not found in the PATH that sudo sets (secure_path); in your own it is {self.hidden}",
                f"let only the collector run as root: gotrace build --sudo -- {shlex.join(self.argv)}",
                exit_code=error.exit_code,
            ) from None

    def folder(self) -> str:
        """The folder the command runs in, as the kernel names it."""
        if self.cwd is not None:
            return os.path.realpath(self.cwd)
        try:
            return os.readlink("/proc/self/cwd")  # noqa: PTH115  os.getcwd() fails in a folder that was deleted
        except OSError:
            return ""


def _release(tracee: Tracee, spool: Spool) -> None:
    try:
        tracee.release()
    except GotraceError:
        spool.discard()  # nothing has run
        raise


def _wait(tracee: Tracee, watch: Watch) -> Status:
    while (status := tracee.poll(TICK_S)) is None:
        watch.tick()
    return status


def _ask_for_facts(
    header: Header, events: list[KnownEvent], outcome: Outcome, launch: _Launch, namespaces: Namespaces
) -> None:
    """Append what the tools say about themselves. ^C and failures of ours leave it at what is known."""
    from gotrace.capture.facts import gather  # the command need not wait for this import

    try:
        with children_reported():
            known = gather(
                header,
                events,
                failed=outcome.exit != 0,
                env=launch.env,
                cwd=launch.folder(),
                now_ns=time.monotonic_ns,
                namespaces=namespaces,
            )
    except (KeyboardInterrupt, Exception) as error:
        why = "interrupted" if isinstance(error, KeyboardInterrupt) else f"{type(error).__name__}: {error}"
        header.degraded = (*header.degraded, f"the tools were not asked for facts: {why}")
        return
    header.observes = (*header.observes, Facet.PROBED.value)
    events += known
    number(events)


def complete(
    events: list[KnownEvent], outcome: Outcome, counts: Mapping[str, object], watch: Watch, ended_ns: int
) -> None:
    """Put the events into order, add what is known of the command as a whole, and number them."""
    events.sort(key=attrgetter("ts_ns"))
    events.append(Fact(ts_ns=ended_ns, pid=outcome.pid, name="command", data=_command(outcome)))
    events.append(Fact(ts_ns=ended_ns, pid=outcome.pid, name="counts", data=dict(counts)))
    events += watch.confinements.facts(events, ended_ns) if watch.confinements is not None else ()
    events += watch.memories.facts(ended_ns) if watch.memories is not None else ()
    number(events)


def _command(outcome: Outcome) -> dict[str, object]:
    fields = outcome._asdict()
    return {name: fields[name] for name in ("pid", "exit", "signal", "seconds", "user")}


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def number(events: Sequence[Event]) -> None:
    """Give them their numbers, in this order."""
    for seq, event in enumerate(events):
        force_setattr(event, "seq", seq)  # nobody has seen them yet, and copies of so many cost a tenth of a second


@contextlib.contextmanager
def without_collecting_garbage() -> Iterator[None]:
    """A hundred thousand new events, and no cycle among them: looking for some would double the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
