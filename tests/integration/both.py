"""Observes one and the same run by eBPF and by ptrace: the child presents itself to the one, then to the other."""

from __future__ import annotations

import ctypes
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Self, cast
from unittest.mock import patch

from gotrace.events.facets import Facet
from gotrace.events.model import Event, Lost
from gotrace.sources.base import Batch, Capture, Lack, Source, Target
from gotrace.sources.ebpf.source import EbpfSource
from gotrace.sources.ptrace import compiled, launch, stops, tracer
from gotrace.sources.ptrace.source import PtraceSource
from tests.integration.observing import Observed, observe

NOBODY = 65534
LOADED = (compiled, stops, tracer)
"""What the tracer imports late: an ordinary user's may not be able to read it any more."""
_PR_SET_DUMPABLE = 4


@dataclass
class Both:
    """What the two saw of one run."""

    ebpf: Observed
    ptrace: Observed


def observe_both(
    argv: Sequence[str], *, env: dict[str, str] | None = None, uid: int = 0, running: bool = False
) -> Both:
    """Run `argv` to its end under both. With `uid` command and tracer belong to that user; eBPF sees it as root.

    `running`: it is followed as a program's run, not as a build.
    """
    source = _Twofold(uid)
    target = Target(secrets.randbits(63), running=running, program=argv[0])
    whole = observe(argv, source=cast(Source, source), env=env, target=target)
    ebpf, ptrace = (
        Observed(whole.pid, whole.wait_status, sorted(events, key=lambda event: event.ts_ns), lost)
        for events, lost in zip(source.capture.events, source.capture.lost, strict=True)
    )
    return Both(ebpf, ptrace)


def become(uid: int) -> None:
    """Give up root for good. Whoever did so cannot be traced by their own any more, unless they say so (prctl(2))."""
    if uid:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)


class _Twofold:
    name = "both"

    def __init__(self, uid: int) -> None:
        self._uid = uid
        self.capture: _TwofoldCapture

    def missing(self, *, sudo: bool = False) -> list[Lack]:
        return EbpfSource().missing(sudo=sudo) + PtraceSource().missing(sudo=sudo)

    def open(self, target: Target, *, sudo: bool = False) -> _TwofoldCapture:
        parts = (EbpfSource().open(target), PtraceSource().open(target))
        self.capture = _TwofoldCapture(parts, self._uid)
        return self.capture


class _TwofoldCapture:
    """Two captures as one; who saw what is kept apart in `events` and `lost`, eBPF's first."""

    source = "both"
    observes: frozenset[Facet] = frozenset()
    degraded: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __init__(self, parts: tuple[Capture, Capture], uid: int) -> None:
        self.decoder_info: Mapping[str, Any] = {}
        self._parts, self._uid = parts, uid
        self._owner: dict[int, int] = {}
        self._kept: list[Batch] = []
        self.events: tuple[list[Event], list[Event]] = ([], [])
        self.lost: list[list[Lost]] = []

    def __enter__(self) -> Self:
        for part in self._parts:
            part.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for part in self._parts:
            part.__exit__(kind, error, trace)

    def attach(self, meanwhile: Callable[[], None] | None = None) -> None:
        by_ebpf, by_ptrace = self._parts
        by_ebpf.attach(meanwhile)
        with patch.object(launch, "serve", partial(_serve_as, self._uid, launch.serve)):
            by_ptrace.attach()

    def child_hook(self) -> None:
        by_ebpf, by_ptrace = self._parts
        by_ebpf.child_hook()
        become(self._uid)
        by_ptrace.child_hook()

    def batches(self) -> Iterator[Batch]:
        for number, part in enumerate(self._parts):
            for batch in part.batches():
                self._kept.append(batch)  # kept alive, so that its id stays its own
                self._owner[id(batch)] = number
                yield batch

    def decode(self, batch: Batch) -> list[Event]:
        number = self._owner[id(batch)]
        events = self._parts[number].decode(batch)
        self.events[number].extend(events)
        return events

    def gone(self) -> bool:
        told = [one.gone() for one in self._parts]  # each is asked: it learns from that
        return any(told)

    def terminal_writes(self) -> int:
        return max(part.terminal_writes() for part in self._parts)

    def stop(self) -> tuple[list[Lost], dict[str, int]]:
        by_ebpf, by_ptrace = self._parts
        # The tracer notes the command's end after the kernel told it; eBPF notes each event when it happens.
        (lost_by_ptrace, _), (lost_by_ebpf, _) = by_ptrace.stop(), by_ebpf.stop()
        self.lost = [lost_by_ebpf, lost_by_ptrace]
        return lost_by_ebpf + lost_by_ptrace, {}


def _serve_as(uid: int, serve: Any, *arguments: Any, **named: Any) -> None:
    become(uid)
    serve(*arguments, **named)
