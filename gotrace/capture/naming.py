"""Whose code is at an address: names the frames of a running program's events, from its history of mappings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeGuard

from msgspec.structs import force_setattr, replace

from gotrace.capture.call_stacks import CallStacks
from gotrace.capture.mappings import Mapping
from gotrace.capture.places import Places
from gotrace.capture.unwinding import Step, unwind
from gotrace.events.model import (
    ClockReads,
    Dlerror,
    Dlopen,
    Dlsym,
    Event,
    Exec,
    Frame,
    KnownEvent,
    Library,
    Signal,
    SyscallError,
)
from gotrace.events.running import SIGNAL_TRAMPOLINE
from gotrace.events.text import printable, to_bytes
from gotrace.sources.base import CallMoment, Moment


class Naming:
    """Follows the mappings of each process, and names the frames of events."""

    def __init__(self) -> None:
        self._places = Places()
        self._frames: dict[tuple[Mapping, Step], Frame] = {}
        self._calls = CallStacks(self._places)

    def live(self, events: Sequence[Event]) -> list[Event]:
        """Live events of one batch, in order: files by their build ids, callers named, signals with their whole stack.

        Moments are used up; those of failing calls are kept for `failing_calls`.
        """
        named: list[Event] = []
        for number, event in enumerate(events):
            self._places.see(event)
            if isinstance(event, CallMoment):
                self._calls.keep(event)
            elif isinstance(event, Moment):
                continue  # it was looked at with its signal
            elif isinstance(event, Library):
                named.append(self._library(event))
            elif isinstance(event, Signal):
                following = events[number + 1] if number + 1 < len(events) else None
                named.append(self._signal(event, following))
            else:
                named.append(self._with_caller(event))
        return named

    def failing_calls(self, events: list[KnownEvent]) -> list[KnownEvent]:
        """All events of a capture that has ended, named: the stacks of failing calls, and where clocks were read."""
        calls = [event for event in events if _may_be_named(event)]
        all_told = self._calls.of(calls)
        stacks: dict[int, tuple[Frame, ...]] = {}
        for call, told in zip(calls, all_told, strict=True):
            if id(told) not in stacks:
                stacks[id(told)] = self._stack(call.pid, call.ts_ns, told.steps)
            force_setattr(call, "stack", stacks[id(told)])  # nobody has seen it yet
        for event in events:
            if isinstance(event, ClockReads):
                force_setattr(event, "place", self.frame(event.pid, event.ts_ns, Step(event.ip, returning=True)))
        return events

    def frame(self, pid: int, when_ns: int, step: Step) -> Frame:
        """The frame of one step of a stack."""
        mapping = self._places.mapping_at(pid, when_ns, step.place)
        if mapping is None:
            return Frame(step.ip)
        key = (mapping, step)
        if key not in self._frames:
            self._frames[key] = self._named(mapping, pid, step)
        return self._frames[key]

    def _named(self, mapping: Mapping, pid: int, step: Step) -> Frame:
        module = self._places.module(mapping, pid)
        address = module.address_of(mapping, step.place)
        if address is None:
            return Frame(step.ip, mapping.path, origin=module.origin(None))
        function = module.function_at(address)
        if not step.returning and module.ends_signal(address) and (function is None or function.start != address):
            return Frame(step.ip, mapping.path, address, SIGNAL_TRAMPOLINE, origin=module.origin(function))
        file, line = module.line_at(address)
        address += step.ip - step.place
        if function is None:
            return Frame(step.ip, mapping.path, address, origin=module.origin(None))
        distance = address - function.start
        origin = module.origin(function)
        return Frame(step.ip, mapping.path, address, function.name, distance, origin, printable(to_bytes(file)), line)

    def _library(self, event: Library) -> Library:
        module = self._places.module(Mapping(0, 0, 0, 0, event.path, event.device, event.inode), event.pid)
        return event if event.build_id or not module.build_id else replace(event, build_id=module.build_id)

    def _with_caller(self, event: Event) -> Event:
        if isinstance(event, Dlopen | Dlsym | Dlerror) and event.caller is not None:
            caller = self.frame(event.pid, event.ts_ns, Step(event.caller.ip, returning=True))
            return replace(event, caller=caller)
        return event

    def _signal(self, event: Signal, following: Event | None) -> Signal:
        chain = [frame.ip for frame in event.stack]
        moment = following if isinstance(following, Moment) and following.tid == event.tid else None
        registers = moment.registers if moment else {"rip": event.ip}
        memory = moment.memory if moment else b""
        steps = unwind(registers, memory, chain, self._places.of(event.pid, event.ts_ns))
        return replace(event, stack=self._stack(event.pid, event.ts_ns, steps))

    def _stack(self, pid: int, when_ns: int, steps: Sequence[Step]) -> tuple[Frame, ...]:
        """The frames of a stack. A local function of a stripped library goes by the name that its caller asked for.

        An exported one that has only jumped on to it (fopen of glibc to __fopen_internal) is not among the frames.
        """
        frames = [self.frame(pid, when_ns, step) for step in steps]
        for number, caller in enumerate(steps[1:]):
            inner, outer = frames[number], frames[number + 1]
            if inner.symbol or not inner.module or not caller.returning or outer.module == inner.module:
                continue
            name = self._asked_for(pid, when_ns, caller, steps[number])
            if name:
                frames[number] = replace(inner, symbol=name)
        return tuple(frames)

    def _asked_for(self, pid: int, when_ns: int, caller: Step, callee: Step) -> str:
        at = self._places.of(pid, when_ns)
        place, found = at(caller.ip), at(callee.place)
        if place is None or found is None or not place.address:
            return ""
        name = place.module.asked_for(place.address)
        return name if name and found.module.offers(name) else ""


def _may_be_named(event: KnownEvent) -> TypeGuard[SyscallError | Exec]:
    """It is a failing call, and who made it is known."""
    return (isinstance(event, SyscallError) and event.ip != 0) or (isinstance(event, Exec) and bool(event.stack))
