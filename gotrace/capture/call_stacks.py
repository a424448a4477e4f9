"""Whose frames a failing call came through: by unwind tables where the source told what that takes, else by frame
pointers, which most code of C does not keep.

Moments are walked only when names are asked for, so that nobody takes CPU from the program while it runs; but no more
than some are kept.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import reduce
from typing import Final, NamedTuple

from gotrace.capture.places import Places
from gotrace.capture.unwinding import Step, go_on, unwind, walk
from gotrace.events.model import SyscallError
from gotrace.sources.base import CallMoment

_MOST_KEPT: Final = 512
"""Moments of up to 8 KB; walking one takes a fifth of a millisecond."""

_SECOND_NS: Final = 1_000_000_000

Steps = tuple[Step, ...]


class _Walked(NamedTuple):
    """What became of a moment."""

    steps: Steps
    """As far as the memory went; none where it is Go that made the call, which keeps frame pointers."""
    callers: tuple[int, ...]
    """The goroutine's return addresses."""


class CallStacks:
    """The frames of each failing call of a capture."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._kept: dict[tuple[int, int], CallMoment] = {}
        """By thread and time, in the order of their coming."""
        self._walked: dict[tuple[int, int], _Walked] = {}
        self._known: dict[_Walked, _Walked] = {}
        """Most are alike, and a server may be watched for days."""

    def keep(self, moment: CallMoment) -> None:
        """Take a moment, for the call that it belongs to."""
        self._kept[moment.tid, moment.ts_ns] = moment
        if len(self._kept) > _MOST_KEPT:
            oldest = next(iter(self._kept))
            walked = self._walk(self._kept.pop(oldest))
            self._walked[oldest] = self._known.setdefault(walked, walked)

    def of(self, calls: Sequence[SyscallError]) -> list[Steps]:
        """The frames of all calls of a capture that has ended.

        Not each has a moment of its own: one of a kind that comes again and again is told as far as all moments of its
        kind agree that there were about that time.
        """
        pointers: dict[Hashable, Steps] = {}
        agreement = _Agreement()
        found: list[tuple[Hashable, Steps, Steps | None]] = []
        for call in calls:
            addresses = (self._places.state(call.pid, call.ts_ns), call.ip, *(frame.ip for frame in call.stack))
            if addresses not in pointers:
                pointers[addresses] = self._by_frame_pointers(call)
            told = pointers[addresses]
            kind = (call.pid, call.syscall, call.errno, call.paths, call.address, told)
            own = self._by_moment(call, told)
            if own is not None:
                agreement.add(kind, call.ts_ns, own)
            found.append((kind, told, own))
        return [
            agreement.about(kind, call.ts_ns, told) if own is None else own
            for call, (kind, told, own) in zip(calls, found, strict=True)
        ]

    def _by_frame_pointers(self, call: SyscallError) -> Steps:
        """The same for all calls with these addresses."""
        chain = [frame.ip for frame in call.stack]
        _, *callers = unwind({"rip": call.ip}, b"", chain, self._places.of(call.pid, call.ts_ns))
        return (_of_call(call), *callers)

    def _by_moment(self, call: SyscallError, told: Steps) -> Steps | None:
        """None where it has none; what frame pointers have `told` where that is all there is."""
        who = call.tid, call.ts_ns
        moment = self._kept.pop(who, None)
        walked = self._walked.pop(who, None) if moment is None else self._walk(moment)
        if walked is None or not walked.steps:
            return None if walked is None else told
        chain = [frame.ip for frame in call.stack]
        chain += walked.callers if set(walked.callers).isdisjoint(chain) else ()
        found = go_on(walked.steps, chain, self._places.of(call.pid, call.ts_ns))
        return (_of_call(call), *found[1:])

    def _walk(self, moment: CallMoment) -> _Walked:
        code_at = self._places.of(moment.pid, moment.ts_ns)
        code = code_at(moment.registers["rip"])
        if code is None or code.is_go:
            return _Walked((), ())
        return _Walked(tuple(walk(moment.registers, moment.memory, code_at)), moment.callers)


class _Agreement:
    """What all stacks of a kind begin with: those of one second, and those of all time."""

    def __init__(self) -> None:
        self._common: dict[tuple[Hashable, int | None], Steps] = {}

    def add(self, kind: Hashable, ts_ns: int, steps: Steps) -> None:
        """One more stack of that kind."""
        for second in (ts_ns // _SECOND_NS, None):
            self._common[kind, second] = _common(self._common.get((kind, second), steps), steps)

    def about(self, kind: Hashable, ts_ns: int, else_: Steps) -> Steps:
        """Those of the second before, too: by the source's count a second may have begun in it."""
        second = ts_ns // _SECOND_NS
        near = [self._common[key] for key in ((kind, second - 1), (kind, second)) if key in self._common]
        return reduce(_common, near) if near else self._common.get((kind, None), else_)


def _of_call(call: SyscallError) -> Step:
    """The instruction after the system call stands for the call."""
    return Step(call.ip, returning=True)


def _common(one: Steps, other: Steps) -> Steps:
    """The frames that two stacks begin with."""
    if one == other:
        return one
    size = next((at for at, (mine, its) in enumerate(zip(one, other, strict=False)) if mine != its), None)
    return min(one, other, key=len) if size is None else one[:size]
