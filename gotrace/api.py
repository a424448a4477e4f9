"""The library: record a command, attach to a process, load a recording, diagnose any of these."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gotrace.events.model import Fact, KnownEvent
from gotrace.rules.engine import diagnose
from gotrace.trace.model import Trace

__all__ = ["attach", "diagnose", "load", "record"]


def record(
    argv: Sequence[str], *, backend: str = "auto", sudo: bool = False, probe: bool = True, out: str | Path | None = None
) -> Trace:
    """Run a command, watch it to its end and return what happened. Its stdin, stdout and stderr are the caller's.

    `backend` is "auto" (the best that works here), "ebpf", "ptrace" or "netlink"; `sudo` starts eBPF's privileged part
    through sudo(8); `probe` lets gotrace ask the tools themselves (go env, go list, compilers' targets); `out` is where
    the recording is saved, if anywhere.

    Raises:
        CommandError: the command cannot be executed.
        CaptureError: nothing can be captured on this machine; `remedy` says what to do.
        RecordingError: `out` cannot be written.
    """
    from gotrace.capture.backends import record_by
    from gotrace.events.recording import write_recording
    from gotrace.trace.builder import build

    recorded = record_by(backend, list(argv), sudo=sudo, probe=probe)
    if out is not None:
        write_recording(Path(out), recorded.header, recorded.events)
    return build(recorded.header, recorded.events)


def attach(
    pid: int, *, seconds: float | None = None, backend: str = "auto", sudo: bool = False, out: str | Path | None = None
) -> Trace:
    """Watch a process that runs, and its children, for `seconds` or until it ends, and return what happened.

    In the main thread SIGINT, SIGTERM and SIGHUP end it as well. The rest is as for `record`; "netlink" cannot attach.

    Raises:
        UsageError: there is no such process, or it is none that can be attached to.
        CaptureError: nothing can attach to it here; `remedy` says what to do.
        RecordingError: `out` cannot be written.
    """
    from gotrace.capture.backends import attach_by
    from gotrace.events.recording import write_recording
    from gotrace.trace.builder import build

    recorded = attach_by(backend, pid, sudo=sudo, seconds=seconds)
    if out is not None:
        write_recording(Path(out), recorded.header, recorded.events)
    return build(recorded.header, recorded.events)


def load(path: str | Path, *, allow_newer: bool = False) -> Trace:
    """The trace of a recording, or of a spool that a crash left; its `damage` says what of it could not be read.

    `path` may be a pipe, such as /dev/stdin. `allow_newer`: a recording of a newer schema is read as far as it is
    understood, instead of refused.

    Raises:
        RecordingError: it is no recording, unreadable, or of a newer schema.
    """
    from gotrace.capture.spool import is_spool, load_spool
    from gotrace.events.recording import opened, read_recording
    from gotrace.trace.builder import build

    file = Path(path)
    with opened(file) as stream:
        if is_spool(stream):
            spool = load_spool(stream)
            return build(spool.header, spool.events, spool.damage or _without_command(file, spool.events))
        read = read_recording(stream, allow_newer=allow_newer)
    damage = read.damage or (None if read.sealed else _without_command(file, read.events))
    return build(read.header, read.events, damage)


def _without_command(file: Path, events: Sequence[KnownEvent]) -> str | None:
    """A file cut between two lines is whole to the eye; but every finished capture ends with how its command ended."""
    if any(isinstance(event, Fact) and event.name == "command" for event in reversed(events)):
        return None
    return f"{file}: it does not say how the command ended, so its end is missing"
