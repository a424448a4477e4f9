"""Whose frames a failing call came through: by unwind tables where the source told what that takes, else by frame
pointers, which most code of C does not keep.

Moments are walked only when names are asked for, so that nobody takes CPU from the program while it runs; but no more
than some are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Final, NamedTuple

from gotrace.capture.unwinding import CodeAt, Step, go_on, unwind, walk
from gotrace.events.model import SyscallError
from gotrace.sources.base import CallMoment

_MOST_KEPT: Final = 512
"""Moments of up to 8 KB; walking one takes a fifth of a millisecond."""

CodeOf = Callable[[int, int], CodeAt]
"""What is at the addresses of a process, at a time."""


class _Walked(NamedTuple):
    """What became of a moment."""

    steps: tuple[Step, ...]
    """As far as the memory went; none where it is Go that made the call, which keeps frame pointers."""
    callers: tuple[int, ...]
    """The goroutine's return addresses."""


class CallStacks:
    """The frames of each failing call of a capture."""

    def __init__(self, code_of: CodeOf) -> None:
        self._code_of = code_of
        self._kept: dict[tuple[int, int], CallMoment] = {}
        """By thread and time, in the order of their coming."""
        self._walked: dict[tuple[int, int], _Walked] = {}
        self._known: dict[_Walked, _Walked] = {}
        """Most are alike, and a server may be watched for days."""
        self._last: dict[Hashable, tuple[Step, ...]] = {}

    def keep(self, moment: CallMoment) -> None:
        """Take a moment, for the call that it belongs to."""
        self._kept[moment.tid, moment.ts_ns] = moment
        if len(self._kept) > _MOST_KEPT:
            oldest = next(iter(self._kept))
            walked = self._walk(self._kept.pop(oldest))
            self._walked[oldest] = self._known.setdefault(walked, walked)

    def by_frame_pointers(self, call: SyscallError) -> tuple[Step, ...]:
        """Its frames as frame pointers tell of them: the same for all calls with these addresses."""
        chain = [frame.ip for frame in call.stack]
        _, *callers = unwind({"rip": call.ip}, b"", chain, self._code_of(call.pid, call.ts_ns))
        return (_of_call(call), *callers)

    def better(self, call: SyscallError, told: tuple[Step, ...]) -> tuple[Step, ...]:
        """Its frames, of which frame pointers have `told` these. To be asked in the order of the calls.

        Of calls that come again and again not each has a moment: that of the one before then stands for it, where all
        that is known of both is the same.
        """
        if not self._kept and not self._walked and not self._last:
            return told
        kind = (call.pid, call.syscall, call.errno, call.paths, call.address, told)
        who = call.tid, call.ts_ns
        moment = self._kept.pop(who, None)
        walked = self._walked.pop(who, None) if moment is None else self._walk(moment)
        if walked is None:
            return self._last.get(kind, told)
        if walked.steps:
            chain = [frame.ip for frame in call.stack]
            chain += walked.callers if set(walked.callers).isdisjoint(chain) else ()
            found = go_on(walked.steps, chain, self._code_of(call.pid, call.ts_ns))
            told = (_of_call(call), *found[1:])
        self._last[kind] = told
        return told

    def _walk(self, moment: CallMoment) -> _Walked:
        code_at = self._code_of(moment.pid, moment.ts_ns)
        code = code_at(moment.registers["rip"])
        if code is None or code.is_go:
            return _Walked((), ())
        return _Walked(tuple(walk(moment.registers, moment.memory, code_at)), moment.callers)


def _of_call(call: SyscallError) -> Step:
    """The instruction after the system call stands for the call."""
    return Step(call.ip, returning=True)
