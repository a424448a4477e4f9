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
from gotrace.capture.unwinding import Step, Way, go_on, unwind, walk
from gotrace.events.model import Event, Exec, SyscallError
from gotrace.sources.base import CallMoment

_MOST_KEPT: Final = 512
"""Moments of up to 8 KB; walking one takes a fifth of a millisecond."""

_SECOND_NS: Final = 1_000_000_000

Steps = tuple[Step, ...]


class Told(NamedTuple):
    """The frames of a call, and `Places.state` at that time. Of equal ones there is one object."""

    state: tuple[int, ...]
    steps: Steps


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
        self._ways: dict[Hashable, Way] = {}
        """The last one for each instruction, stack and frame pointer: who asks again stands there again."""
        self._known: dict[_Walked, _Walked] = {}
        """Most are alike, and a server may be watched for days."""

    def keep(self, moment: CallMoment) -> None:
        """Take a moment, for the call that it belongs to."""
        self._kept[moment.tid, moment.ts_ns] = moment
        if len(self._kept) > _MOST_KEPT:
            oldest = next(iter(self._kept))
            walked = self._walk(self._kept.pop(oldest))
            self._walked[oldest] = self._known.setdefault(walked, walked)

    def of(self, events: Sequence[SyscallError | Exec]) -> list[Told]:
        """The frames of all failing calls of a capture that has ended.

        Not each has a moment of its own: one of a kind that comes again and again is told as far as all moments of its
        kind agree that there were about that time.
        """
        by_pointers: dict[Hashable, Told] = {}
        alike: dict[Told, Told] = {}
        agreement = _Agreement()
        moments = bool(self._kept or self._walked)
        found: list[tuple[Told, Steps | None]] = []
        for event in events:
            chain = tuple([frame.ip for frame in event.stack])
            ip = event.ip if isinstance(event, SyscallError) else chain[0]
            state = self._places.state(event.pid, event.ts_ns)
            addresses = (state, ip, chain)
            told = by_pointers.get(addresses)
            if told is None:
                told = Told(state, self._by_frame_pointers(event, ip, chain))
                told = by_pointers[addresses] = alike.setdefault(told, told)
            own = self._by_moment(event, ip, chain, told.steps) if moments else None
            if own is not None:
                agreement.add(_kind(event, told), event.ts_ns, own)
            found.append((told, own))
        if not agreement:
            return [told for told, _ in found]
        better = []
        for event, (told, own) in zip(events, found, strict=True):
            steps = own or agreement.about(_kind(event, told), event.ts_ns, told.steps)
            if steps is not told.steps:
                other = Told(told.state, steps)
                better.append(alike.setdefault(other, other))
            else:
                better.append(told)
        return better

    def _by_frame_pointers(self, event: Event, ip: int, chain: tuple[int, ...]) -> Steps:
        """The same for all calls with these addresses."""
        _, *callers = unwind({"rip": ip}, b"", chain, self._places.of(event.pid, event.ts_ns))
        return (_of_call(ip), *callers)

    def _by_moment(self, event: Event, ip: int, chain: tuple[int, ...], told: Steps) -> Steps | None:
        """None where it has none; what frame pointers have `told` where that is all there is."""
        who = event.tid, event.ts_ns
        moment = self._kept.pop(who, None)
        walked = self._walked.pop(who, None) if moment is None else self._walk(moment)
        if walked is None or not walked.steps:
            return None if walked is None else told
        if set(walked.callers).isdisjoint(chain):
            chain += walked.callers
        found = go_on(walked.steps, chain, self._places.of(event.pid, event.ts_ns))
        return (_of_call(ip), *found[1:])

    def _walk(self, moment: CallMoment) -> _Walked:
        code_at = self._places.of(moment.pid, moment.ts_ns)
        code = code_at(moment.registers["rip"])
        if code is None or code.is_go:
            return _Walked((), ())
        pointers = tuple(moment.registers.get(name) for name in ("rip", "rsp", "rbp"))
        here = self._places.state(moment.pid, moment.ts_ns), pointers
        way = self._ways.get(here)
        if way is None or not way.is_that_of(moment.memory):
            way = self._ways[here] = walk(moment.registers, moment.memory, code_at)
        return _Walked(way.steps, moment.callers)


def _kind(event: SyscallError | Exec, told: Told) -> Hashable:
    """What calls have in common of which one may stand for another: all that is known without a moment."""
    if isinstance(event, Exec):
        return event.path, event.error, id(told)
    return event.syscall, event.errno, event.paths, event.address, id(told)


def _of_call(ip: int) -> Step:
    """The instruction after the system call stands for the call."""
    return Step(ip, returning=True)


class _Agreement:
    """What all stacks of a kind begin with: those of one second, and those of all time."""

    def __init__(self) -> None:
        self._common: dict[tuple[Hashable, int | None], Steps] = {}

    def __bool__(self) -> bool:
        return bool(self._common)

    def add(self, kind: Hashable, ts_ns: int, steps: Steps) -> None:
        """One more stack of that kind."""
        for second in (ts_ns // _SECOND_NS, None):
            self._common[kind, second] = _common(self._common.get((kind, second), steps), steps)

    def about(self, kind: Hashable, ts_ns: int, else_: Steps) -> Steps:
        """Those of the second before, too: by the source's count a second may have begun in it."""
        if (kind, None) not in self._common:
            return else_
        second = ts_ns // _SECOND_NS
        near = [self._common[key] for key in ((kind, second - 1), (kind, second)) if key in self._common]
        return reduce(_common, near) if near else self._common[kind, None]


def _common(one: Steps, other: Steps) -> Steps:
    """The frames that two stacks begin with."""
    if one == other:
        return one
    size = next((at for at, (mine, its) in enumerate(zip(one, other, strict=False)) if mine != its), None)
    return min(one, other, key=len) if size is None else one[:size]
