"""Whose frames a failing call came through: by unwind tables where the source told what that takes, else by frame
pointers, which most code of C does not keep.

Moments are walked only when names are asked for, so that nobody takes CPU from the program while it runs; but no more
than some are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Final

from gotrace.capture.unwinding import Code, Step, go_on, unwind, walk
from gotrace.events.model import SyscallError
from gotrace.sources.base import CallMoment

_MOST_KEPT: Final = 256
"""Moments of up to 8 KB; walking one takes a fifth of a millisecond."""

CodeOf = Callable[[int, int, int], Code | None]
"""What is at an address: of a process, at a time."""


class CallStacks:
    """The frames of each failing call of a capture."""

    def __init__(self, code_of: CodeOf) -> None:
        self._code_of = code_of
        self._kept: dict[tuple[int, int], CallMoment] = {}
        """By thread and time, in the order of their coming."""
        self._walked: dict[tuple[int, int], tuple[list[Step], tuple[int, ...]]] = {}
        """What became of the others: frames, and the goroutine's return addresses."""
        self._last: dict[Hashable, tuple[Step, ...]] = {}

    def keep(self, moment: CallMoment) -> None:
        """Take a moment, for the call that it belongs to."""
        self._kept[moment.tid, moment.ts_ns] = moment
        if len(self._kept) > _MOST_KEPT:
            oldest = next(iter(self._kept))
            self._walked[oldest] = self._walk(self._kept.pop(oldest))

    def by_frame_pointers(self, call: SyscallError) -> tuple[Step, ...]:
        """Its frames as frame pointers tell of them: the same for all calls with these addresses."""
        chain = [frame.ip for frame in call.stack]
        _, *callers = unwind({"rip": call.ip}, b"", chain, lambda ip: self._code_of(call.pid, call.ts_ns, ip))
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
        steps, of_go = walked
        if steps:
            chain = [frame.ip for frame in call.stack]
            chain += of_go if set(of_go).isdisjoint(chain) else ()
            found = go_on(steps, chain, lambda ip: self._code_of(call.pid, call.ts_ns, ip))
            told = (_of_call(call), *found[1:])
        self._last[kind] = told
        return told

    def _walk(self, moment: CallMoment) -> tuple[list[Step], tuple[int, ...]]:
        """No frames where it is Go that made the call: it keeps frame pointers."""

        def code_at(ip: int) -> Code | None:
            return self._code_of(moment.pid, moment.ts_ns, ip)

        code = code_at(moment.registers["rip"])
        if code is None or code.is_go:
            return [], ()
        return walk(moment.registers, moment.memory, code_at), moment.callers


def _of_call(call: SyscallError) -> Step:
    """The instruction after the system call stands for the call."""
    return Step(call.ip, returning=True)
