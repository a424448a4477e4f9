"""Follows what running programs do beyond a build's processes: libraries, calls of the loader, signals."""

from __future__ import annotations

import os
import struct
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from gotrace.elf.displaced import displaced
from gotrace.sources.ptrace import abi, bodies, loaders, records
from gotrace.sources.ptrace.bodies import FUNCTIONS
from gotrace.sources.ptrace.breakpoints import Note, Site, Space, slot_of
from gotrace.sources.ptrace.channel import BLIND, MISSED
from gotrace.sources.ptrace.faults import fault_of
from gotrace.sources.ptrace.mappings import Mapping, Mappings, mappings_of
from gotrace.sources.ptrace.processes import Process
from gotrace.sources.ptrace.stepping import Thread, step_over
from gotrace.sources.ptrace.stops import OwnStops, Stop

if TYPE_CHECKING:
    from gotrace.sources.ptrace.guardian import Guardian

_WORD: Final = struct.Struct("<Q")
_TEXT_LIMIT: Final = 4096
_REMEMBERED: Final = 1024
_OF_INSTRUCTIONS: Final = frozenset({4, 8})
"""SIGILL and SIGFPE: their si_addr is the address of the instruction (sigaction(2))."""
_DLOPEN, _DLMOPEN, _DLSYM, _DLVSYM, _DLERROR = range(len(FUNCTIONS))


class _Pending(NamedTuple):
    """A call that has not come back, and the breakpoint that it will come back to."""

    space: Space
    caller: int
    call: bodies.Call


class Running:
    """Everything about the run of programs that the tracer is not concerned with where it follows a build."""

    def __init__(
        self,
        control: OwnStops,
        *,
        tell: Callable[[int, bytes], None],
        count: Callable[[int], None],
        act: Callable[[Stop], None],
        guardian: Guardian | None = None,
    ) -> None:
        """`tell` takes a record, `act` a stop that is not ours; `count` adds to a word of the channel."""
        displaced(b"\x90", 0)  # loads the disassembler while no program waits for us
        self._guardian, self._leaving = guardian, False
        self._control = control
        self._tell, self._count, self._act = tell, count, act
        self._spaces: dict[int, Space] = {}
        self._former: OrderedDict[int, Space] = OrderedDict()
        """Of processes that are gone: the birth of a child may be told yet."""
        self._pending: dict[int, dict[int, _Pending]] = {}
        """By thread, and by what its stack pointer was at the function's entry."""
        self._disturbed: set[int] = set()
        """Threads that got a signal when they should have stepped over a breakpoint."""

    # --- processes ---------------------------------------------------------------------------------------------------

    def executed(self, process: Process, former: int, *, watch: bool) -> None:
        """A process runs a new program, which nothing is planted in where nobody will `watch`; it was `former`."""
        self._leave(process)  # first: its memory is another one already
        self.thread_gone(former)
        self.thread_gone(process.pid)
        mappings = mappings_of(process.pid) if watch else None
        if mappings is None:
            return
        values = self._control.registers(process.pid)
        of_64_bits = bool(values) and values[abi.CS] != abi.CODE_SEGMENT_32
        space = Space(Mappings(), slot_of(mappings, process.memory) if of_64_bits else 0, self._note_of(process))
        self._join(process, space)
        self._tell_new(process, process.pid, space, mappings)
        if not space.slot:
            self._count_for_the_living(BLIND, process.pid)
            return
        start = loaders.first_code(loaders.start_of_program(process.pid), mappings)
        if start is not None and not loaders.may_have_loaders(start):
            self._plant(process, process.pid, space, start)

    def attached(self, process: Process) -> None:
        """A process is followed that runs already; the code in it is told by others. None of its threads is stopped."""
        mappings = mappings_of(process.pid)
        if mappings is None:
            return
        slot = slot_of(mappings, process.memory) if loaders.has_64_bits(process.pid) else 0
        note = self._note_of(process)
        space = Space(mappings, slot, note)
        self._join(process, space)
        if not slot or note is None:
            self._count(BLIND)
            return
        start = loaders.first_code(loaders.start_of_program(process.pid), mappings)
        code = [one for one in mappings.all if loaders.may_have_loaders(one) or one == start]
        planted = [self._planted(process, space, one) for one in code]
        if not all(planted):
            self._count(BLIND)

    def _note_of(self, process: Process) -> Note | None:
        return partial(self._guardian.note_in, process.pid) if self._guardian is not None else None

    def leave(self) -> None:
        """Take out all breakpoints, also of those who are born yet; calls that have not come back are not told."""
        self._leaving = True
        self._pending.clear()
        for pid, space in self._spaces.items():
            if (now := mappings_of(pid)) is not None:
                space.follow(now)  # int3 may be a byte of another library's own
            space.sites.clear()
            member = next((one for one in space.members if one.pid == pid), None)
            if member is not None:
                space.cleanse(member.memory)

    def born(self, parent: Process, parent_tid: int, child: Process) -> None:
        """A process is there that has not executed anything yet, a copy of its parent."""
        space = self._space_like(parent, child)
        if space is None:
            return
        if self._leaving:
            space.cleanse(child.memory)
            return
        if space.is_of(child.memory):
            self._join(child, space)
            return
        calls = self._pending.get(parent_tid, {})
        returns = {call.caller for call in calls.values() if call.space is space}
        kept = [site for site in space.sites.values() if site.purpose != loaders.RETURN or site.address in returns]
        copy = space.forked(child.memory, kept)
        if (note := self._note_of(child)) is not None:
            copy.note_by(note)
        for site in copy.sites.values():
            site.users = sum(call.caller == site.address for call in calls.values())
        self._join(child, copy)
        if calls:
            self._pending[child.pid] = {sp: call._replace(space=copy) for sp, call in calls.items()}

    def _space_like(self, parent: Process, child: Process) -> Space | None:
        """What the child has got. Whose parent was killed may be given another one: then it is told by its code."""
        now = mappings_of(child.pid)
        if now is None:
            return None
        likely = self._spaces.get(parent.pid) or self._former.get(parent.pid)
        if likely is not None and likely.fits(now):
            return likely
        others = [*reversed(self._former.values()), *self._spaces.values()]
        return next((space for space in others if space.fits(now)), None)

    def gone(self, process: Process) -> None:
        """The last thread of a process is gone."""
        space = self._leave(process)
        if space is not None:
            self._former[process.pid] = space
            if len(self._former) > _REMEMBERED:
                self._former.popitem(last=False)

    def thread_gone(self, tid: int) -> None:
        """A thread is gone, and its calls will not come back."""
        self._disturbed.discard(tid)
        for call in self._pending.pop(tid, {}).values():
            self._release(call)

    def _join(self, process: Process, space: Space) -> None:
        self._spaces[process.pid] = space
        space.members.add(process)

    def _leave(self, process: Process) -> Space | None:
        space = self._spaces.pop(process.pid, None)
        if space is not None:
            space.members.discard(process)
        return space

    def wrote(self, process: Process, tid: int) -> None:
        """A program said something for the first time: a loader that ends it has brought in all that it will."""
        space = self._spaces.get(process.pid)
        if space is not None:
            self._look_at_mappings(process, tid, space)

    # --- signals -----------------------------------------------------------------------------------------------------

    def signalled(self, process: Process, stop: Stop) -> None:
        """A signal is about to be delivered: one of our breakpoints, or one that may end the program."""
        tid, number = stop.tid, stop.status
        space = self._spaces.get(process.pid)
        if number == abi.SIGTRAP and space is not None and self._is_ours(process, tid, space):
            return
        if space is not None:
            self._look_at_mappings(process, tid, space)
        met = fault_of(self._control, tid, number, process, space or Space(Mappings()))
        if met is not None:
            record = records.signal(time.monotonic_ns(), process.who(tid), number, met)
            self._tell(records.SIGNAL, record)
        self._control.deliver(tid, number)

    def _is_ours(self, process: Process, tid: int, space: Space) -> bool:
        info = self._control.signal_info(tid)
        if not info or abi.SIGNAL_CODE.unpack_from(info)[0] != abi.SI_KERNEL:
            return False
        values = list(self._control.registers(tid))
        if not values:
            return False
        values[abi.RIP] -= 1
        site = space.sites.get(values[abi.RIP])
        if site is not None:
            self._hit(process, tid, values, space, site)
        elif space.was_here(process.memory, values[abi.RIP]):
            self._came_back(process, tid, values, values[abi.RIP])
            self._go_on(tid, values)
        else:
            return False
        return True

    def _hit(self, process: Process, tid: int, values: list[int], space: Space, site: Site) -> None:
        if site.purpose == loaders.MAPS:
            self._look_at_mappings(process, tid, space)
        elif site.purpose == loaders.RETURN:
            self._came_back(process, tid, values, site.address)
        else:
            self._called(process, tid, values, space, site)
        if site.way is None:
            self._give_up(process, space, site)
        if space.sites.get(site.address) is not site:
            self._go_on(tid, values)
            return
        undisturbed = tid in self._disturbed
        status = step_over(
            Thread(self._control, tid, process.memory), values, space.slot, site, undisturbed=undisturbed
        )  # fmt: skip
        self._disturbed.discard(tid)
        if status and self._says_where(tid, status, space.slot):
            self._give_up(process, space, site)
            self._control.resume(tid)  # it does the same again, in its own place
        elif status:
            self._disturbed.add(tid)
            stop = self._control.look_at(tid, status)
            if stop is not None:
                self._act(stop)

    def _says_where(self, tid: int, status: int, slot: int) -> bool:
        """Whether that is the signal of an instruction that tells its own address: that of its copy."""
        if not os.WIFSTOPPED(status) or status >> 8 not in _OF_INSTRUCTIONS:
            return False
        info = self._control.signal_info(tid)
        code, address = abi.FAULT.unpack_from(info) if info else (0, 0)
        return bool(code > 0 and address == slot)

    def _go_on(self, tid: int, values: list[int]) -> None:
        self._control.set_registers(tid, values)
        self._control.resume(tid)

    # --- calls of the loader -----------------------------------------------------------------------------------------

    def _called(self, process: Process, tid: int, values: list[int], space: Space, site: Site) -> None:
        stack = values[abi.RSP] + site.pushed
        word = process.memory.read(stack, _WORD.size)
        if len(word) < _WORD.size:
            self._count_for_the_living(MISSED, tid)
            return
        (caller,) = _WORD.unpack(word)
        calls = self._pending.setdefault(tid, {})
        before = calls.pop(stack, None)
        call = _arguments(process, values, site.purpose, caller)
        if before is not None and before.caller == caller and before.space is space:
            # Once more, after a signal that came before the step; or the other was left by longjmp(3).
            calls[stack] = before._replace(call=call)
            return
        if before is not None:
            self._release(before)
        if self._expect(process, space, caller):
            calls[stack] = _Pending(space, caller, call)
        else:
            self._count_for_the_living(MISSED, tid)

    @staticmethod
    def _expect(process: Process, space: Space, caller: int) -> bool:
        """Have a breakpoint where a call comes back to."""
        site = space.sites.get(caller)
        if site is None:
            return space.plant(process.memory, caller, loaders.RETURN)
        site.users += 1
        return site.purpose == loaders.RETURN

    def _came_back(self, process: Process, tid: int, values: list[int], address: int) -> None:
        """A thread is where calls come back to; it may be there for another reason."""
        calls = self._pending.get(tid, {})
        stack = values[abi.RSP] - _WORD.size
        found = calls.get(stack)
        if found is None or found.caller != address:
            return
        del calls[stack]
        call = found.call._replace(result=values[abi.RAX])
        if call.function in (_DLOPEN, _DLMOPEN) or found.space.mappings.at(address - 1) is None:
            self._look_at_mappings(process, tid, found.space)
        self._release(found)
        if call.function != _DLERROR:
            found.space.unasked += not call.result
        elif not found.space.asked() and not call.result:
            return
        elif call.result:
            call = call._replace(text=process.memory.string(call.result, _TEXT_LIMIT) or b"")
        self._tell(records.CALL, records.call(time.monotonic_ns(), process.who(tid), call))

    @staticmethod
    def _release(call: _Pending) -> None:
        """One call less comes back there."""
        space = call.space
        site = space.sites.get(call.caller)
        if site is None:
            return
        site.users -= 1
        member = next(iter(space.members), None)
        if site.users <= 0 and member is not None:
            space.remove(member.memory, site)

    def _give_up(self, process: Process, space: Space, site: Site) -> None:
        """It cannot be stepped over, so it is gone, and with it what others would have told there."""
        space.remove(process.memory, site)
        for calls in self._pending.values():
            for stack in [stack for stack, call in calls.items() if (call.space, call.caller) == (space, site.address)]:
                del calls[stack]
                self._count(MISSED)

    # --- libraries ---------------------------------------------------------------------------------------------------

    def _look_at_mappings(self, process: Process, tid: int, space: Space) -> None:
        now = mappings_of(process.pid)
        if now is not None and now.all != space.mappings.all:
            self._tell_new(process, tid, space, now)

    def _tell_new(self, process: Process, tid: int, space: Space, now: Mappings) -> None:
        new = space.mappings.new_in(now)
        space.follow(now)
        for mapping in new:
            self._tell(records.LIBRARY, records.library(time.monotonic_ns(), process.who(tid), mapping))
            if space.slot and loaders.may_have_loaders(mapping):
                self._plant(process, tid, space, mapping)

    def _plant(self, process: Process, tid: int, space: Space, mapping: Mapping) -> None:
        if not self._leaving and not self._planted(process, space, mapping):
            self._count_for_the_living(BLIND, tid)

    def _planted(self, process: Process, space: Space, mapping: Mapping) -> bool:
        places = loaders.places_in(process.pid, mapping)
        planted = places is not None
        for place in places or ():
            address = mapping.base + place.offset - mapping.offset
            if mapping.base <= address < mapping.end and address not in space.sites:
                planted &= space.plant(process.memory, address, place.purpose, place.pushed)
                planted &= address not in space.sites or self._can_be_passed(process, space, address)
        return planted

    def _count_for_the_living(self, word: int, tid: int) -> None:
        """Where it was killed in its stop nothing can be read or planted, and nothing is missed either."""
        if self._control.registers(tid):
            self._count(word)

    @staticmethod
    def _can_be_passed(process: Process, space: Space, address: int) -> bool:
        """Whether threads can step over it; it does not stay where they cannot."""
        site = space.sites[address]
        if site.way is None:
            space.remove(process.memory, site)
        return site.way is not None


def _arguments(process: Process, values: list[int], function: int, caller: int) -> bodies.Call:
    """The call whose arguments are in the registers."""
    rdi, rsi, rdx = values[abi.RDI], values[abi.RSI], values[abi.RDX]
    read = process.memory.string
    call = bodies.Call(function, 0, caller, time.monotonic_ns())
    match function:
        case _ if function == _DLOPEN:
            name = (read(rdi, _TEXT_LIMIT) or b"") if rdi else None
            return call._replace(text=name, flags=rsi & 0xFFFFFFFF)
        case _ if function == _DLMOPEN:
            name = (read(rsi, _TEXT_LIMIT) or b"") if rsi else None
            return call._replace(text=name, handle=rdi, flags=rdx & 0xFFFFFFFF)
        case _ if function == _DLSYM:
            return call._replace(text=read(rsi, _TEXT_LIMIT) or b"", handle=rdi)
        case _ if function == _DLVSYM:
            version = read(rdx, _TEXT_LIMIT) or b""
            return call._replace(text=read(rsi, _TEXT_LIMIT) or b"", handle=rdi, version=version)
    return call
