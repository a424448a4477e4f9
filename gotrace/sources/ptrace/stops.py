"""Waits for the next stop of a tracee that says something, and lets the others go on; stops.c does the same faster.

Nine of ten stops say nothing: a path call on its way in, one that succeeded, a signal that is passed on. They never
leave `next`.
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections import deque
from contextlib import suppress
from enum import IntEnum
from itertools import count
from typing import Final, NamedTuple, Protocol

from ptrace.binding import func as binding
from ptrace.error import PtraceError

from gotrace.sources.ptrace import abi
from gotrace.sources.ptrace.calls import (
    ABIS,
    CLONE_UNTRACED,
    MARKS,
    SO_ERROR,
    SOCKET_ERROR,
    SOL_SOCKET,
    Kind,
    asks_the_vdso,
    births,
    by_mark,
    clock_reads,
    noise,
    numbered,
    observed,
    of_programs,
)
from gotrace.sources.ptrace.channel import RECORDING
from gotrace.sources.ptrace.frames import frames_of
from gotrace.sources.ptrace.memory import Memory
from gotrace.sources.ptrace.quota import Quota
from gotrace.sources.ptrace.requests import WAIT_ALL, Control, Requests, request

PATH_LIMIT: Final = 4096
LONGEST_ADDRESS: Final = 110
"""Bytes of struct sockaddr_un."""
MOST_HELD: Final = 1000
"""So many failing calls a second wait until somebody has looked at their stacks."""
_STDERR: Final = 2
_MOST_WAITING: Final = 1024
_LOOKS_AT_ALL: Final = 8
_EXECUTED: Final = signal.SIGTRAP | binding.PTRACE_EVENT_EXEC << 8
"""What a wait status is above its lowest byte, and si_code, in the stop of an exec."""
_MOST_LOOKS: Final = 256
"""Who asks without `wait` has something else to do: it must come back also where stops that say nothing never end."""
_CLONES: Final = frozenset({Kind.CLONE, Kind.CLONE3})
_ONLY_FAILURES: Final = frozenset({Kind.FAILURE, Kind.FILTER, *_CLONES})
_BIRTHS: Final = frozenset({binding.PTRACE_EVENT_FORK, binding.PTRACE_EVENT_VFORK, binding.PTRACE_EVENT_CLONE})


class What(IntEnum):
    """What a stop says. The numbers are those of stops.c."""

    GONE = 1
    """`status` is its wait status; there is nothing to resume."""
    HALTED = 2
    """PTRACE_EVENT_STOP: a new thread's first one, or a group-stop by the signal `status`. It waits to be resumed."""
    BORN = 3
    """It made the thread or process `message`, by the event `status` (PTRACE_EVENT_FORK, ...), and goes on already."""
    EXECUTING = 4
    """On its way into an exec, `args` are those of the call. It waits."""
    EXECUTED = 5
    """It runs a new program; `message` is the thread's former id. It waits."""
    REFUSED = 6
    """An exec failed with the errno `result`. It waits."""
    WRITING = 7
    """On its way into a write to descriptor `args[0]`. It waits."""
    WROTE = 8
    """It wrote `result` bytes. It waits."""
    FAILED = 9
    """A call failed with the errno `result`; `text` has its paths, each with its NUL. It goes on already.

    In place of paths `text` has the socket address of a call that names one. `stack` are the addresses of its frames,
    the innermost first, 8 bytes each; none where a build is followed. Where it is `held` it waits: there is more to
    find out about its stack.
    """
    SIGNALLED = 10
    """The signal `status`, one of those that were asked for, is about to be delivered to it. It waits."""
    CLOCKED = 11
    """On its way into a call that reads a clock, with `ip` and `args` of the call. It goes on already."""


class Stop(NamedTuple):
    """One of them. `mark` is the call's (`gotrace.sources.ptrace.calls`)."""

    what: int
    tid: int
    status: int = 0
    mark: int = 0
    message: int = 0
    result: int = 0
    ip: int = 0
    args: tuple[int, ...] = ()
    path1_bytes: int = 0
    path2_bytes: int = 0
    text: bytes = b""
    stack: bytes = b""
    held: bool = False


class Stops(Protocol):
    """Where stops come from, and how a tracee that waits goes on."""

    def next(self, *, wait: bool) -> Stop | None:
        """The next stop that says something; without `wait` None where there is none soon.

        Raises:
            ChildProcessError: there is no tracee any more.
        """
        ...

    def resume(self, tid: int) -> None:
        """Let it run; nothing happens where it is gone."""
        ...

    def until_return(self, tid: int) -> None:
        """Let it run until the call it is in returns."""
        ...

    def listen(self, tid: int) -> None:
        """Leave it in its group-stop, as it would be without us, until SIGCONT."""
        ...

    def registers(self, tid: int) -> tuple[int, ...]:
        """All its registers, in the order of struct user_regs_struct; empty where it is gone."""
        ...


class OwnStops(Control, Protocol):
    """For whoever waits for a single tracee themselves."""

    def look_at(self, tid: int, status: int) -> Stop | None:
        """What `Stops.next` would have told of that wait status."""
        ...


class PythonStops(Requests):
    """In pure Python, on python-ptrace's binding; the reference for stops.c and what is used where that is missing."""

    def __init__(
        self,
        words: memoryview,
        signals: frozenset[int] = frozenset(),
        *,
        syscalls: bool = False,
        filtered: bool = False,
    ) -> None:
        """`words` of the channel say whether anybody still wants to know.

        `signals`: those that are told; none where a build is followed. `syscalls`: tracees have no filter of ours, and
        all their calls stop. `filtered`: they have a filter of somebody else, and all their calls stop beside.
        """
        super().__init__()
        self._words, self._told = words, signals
        of_run = (*of_programs(), *clock_reads()) if signals else ()
        self._kinds = {call.mark: (call.kind, call.paths) for call in (*observed(), *of_run, *births())}
        self._running = bool(signals)
        self._by_entry = syscalls
        if syscalls or filtered:
            self.follow_all_calls()
        self._entered: dict[int, int] = {}
        self._message = ctypes.c_ulong()
        self._info = ctypes.create_string_buffer(abi.SYSCALL_INFO_BYTES)
        self._looks = 0
        self._held = Quota(MOST_HELD)
        self._waiting: deque[tuple[int, int]] = deque()

    def follow_all_calls(self) -> None:
        """From now on each call of whoever stops next stops as well: a filter may refuse it before ours is asked."""
        self._on = binding.PTRACE_SYSCALL

    def follow_no_calls(self) -> None:
        """From now on whoever goes on does so without stopping at its calls."""
        self._on, self._by_entry = binding.PTRACE_CONT, False

    def next(self, *, wait: bool) -> Stop | None:
        """See the protocol."""
        for _ in count() if wait else range(_MOST_LOOKS):
            at_once = not self._waiting
            if at_once and not self._look_around(wait=wait):
                return None
            tid, status = self._waiting.popleft()
            if not at_once and self._is_another_now(tid, status):
                continue
            stop = self.look_at(tid, status)
            if stop is not None:
                return stop
        return None

    def _look_around(self, *, wait: bool) -> bool:
        """Take down who waits for us now, to be served before anybody is looked for again; False where there is none.

        wait(2) tells of the newest tracee first: where that one stops all the time it would tell of no other. So all
        who wait are taken down, but not each time: asking until nobody is left costs an eighth of a stop.
        """
        self._looks += 1
        most = 1 if self._looks % _LOOKS_AT_ALL else _MOST_WAITING
        options = WAIT_ALL if wait else WAIT_ALL | os.WNOHANG
        try:
            while len(self._waiting) < most:
                tid, status = os.waitpid(-1, options)
                if tid == 0:
                    break
                self._waiting.append((tid, status))
                options = WAIT_ALL | os.WNOHANG
        except ChildProcessError:
            if not self._waiting:
                raise
        return bool(self._waiting)

    def _is_another_now(self, tid: int, status: int) -> bool:
        """While others were served a thread may have executed a program and taken over the id of this one, now gone."""
        if not os.WIFSTOPPED(status) or status >> 8 == _EXECUTED:
            return False
        info = self.signal_info(tid)
        return bool(info) and abi.SIGNAL_CODE.unpack_from(info)[0] == _EXECUTED

    def look_at(self, tid: int, status: int) -> Stop | None:
        """What `next` tells of one wait status."""
        if not os.WIFSTOPPED(status):
            self._entered.pop(tid, None)
            return Stop(What.GONE, tid, status)
        event, number = status >> 16, os.WSTOPSIG(status)
        if event == abi.PTRACE_EVENT_SECCOMP:
            return self._enter(tid, self._event_message(tid))
        if number == abi.SYSCALL_STOP:
            return self._at_call(tid)
        if event == abi.PTRACE_EVENT_STOP:
            return Stop(What.HALTED, tid, number)
        if event == binding.PTRACE_EVENT_EXEC:
            former = self._event_message(tid)
            self._entered.pop(former, None)
            return Stop(What.EXECUTED, tid, message=former)
        if event in _BIRTHS:
            child = self._event_message(tid)
            self._entered.pop(tid, None)
            self.resume(tid)
            return Stop(What.BORN, tid, event, message=child) if child else None
        if not event and number in self._told:
            return Stop(What.SIGNALLED, tid, number)
        request(self._on, tid, 0, 0 if event else number)
        return None

    def _at_call(self, tid: int) -> Stop | None:
        """A stop of PTRACE_SYSCALL: on the way into a call, or out of it."""
        done = request(abi.PTRACE_GET_SYSCALL_INFO, tid, abi.SYSCALL_INFO_BYTES, ctypes.addressof(self._info))
        operation, _, _, architecture, *_, result, is_error = abi.SYSCALL_INFO.unpack_from(self._info)
        if done and operation == abi.SYSCALL_INFO_EXIT:
            return self._leave(tid, architecture, result, bool(is_error))
        if done and operation == abi.SYSCALL_INFO_ENTRY and self._by_entry:
            return self._enter(tid, self._entered_mark(tid, architecture))
        self.resume(tid)
        return None

    def _mark(self, tid: int, architecture: int) -> int:
        """Of the call that it is in, by its registers; one that is none of ours where that is unknown."""
        values, position = self.registers(tid), abi.SYSCALL_ARCHITECTURE.get(architecture, -1)
        per_abi = MARKS // len(ABIS)
        if not values or position < 0 or values[abi.ORIG_RAX] >= per_abi:
            return MARKS
        return position * per_abi + values[abi.ORIG_RAX]

    def _entered_mark(self, tid: int, architecture: int) -> int:
        """The same on its way in; writes to anything but stderr and other clocks are none of ours: as in the filter."""
        mark = self._mark(tid, architecture)
        kind, _ = self._kind(mark)
        if kind not in (Kind.WRITE, Kind.CLOCK):
            return mark
        first, second, third, *_ = _arguments(self.registers(tid), mark)[1]
        name = by_mark()[mark].name
        if name == SOCKET_ERROR:
            ours = (second, third) == (SOL_SOCKET, SO_ERROR)
        else:
            ours = first == _STDERR if kind is Kind.WRITE else asks_the_vdso(name, first)
        return mark if ours else MARKS

    def _kind(self, mark: int) -> tuple[Kind | None, tuple[int, ...]]:
        """Of a call; of one without a name only the failure is of interest."""
        known = self._kinds.get(mark)
        if known is not None:
            return known
        position, number = divmod(mark, MARKS // len(ABIS))
        nameless = self._running and number >= numbered().get(position, number + 1)
        return (Kind.FAILURE if nameless else None), ()

    def _enter(self, tid: int, mark: int) -> Stop | None:
        """A call that is observed is about to begin."""
        kind, _ = self._kind(mark)
        if kind in _CLONES:
            self._take_untraced_away(tid, mark)
        if kind is None or (kind in _CLONES and not self._running) or not self._words[RECORDING]:
            self.resume(tid)
            return None
        if kind is Kind.CLOCK:
            ip, arguments = _arguments(self.registers(tid), mark)
            self.resume(tid)
            return Stop(What.CLOCKED, tid, mark=mark, ip=ip, args=arguments)
        if kind is Kind.FILTER:
            self.follow_all_calls()
        self._entered[tid] = mark
        if kind in _ONLY_FAILURES:
            self.until_return(tid)
            return None
        _, arguments = _arguments(self.registers(tid), mark)
        what = What.EXECUTING if kind is Kind.EXEC else What.WRITING
        return Stop(what, tid, mark=mark, args=arguments)

    def _take_untraced_away(self, tid: int, mark: int) -> None:
        """A new child or thread must not be untraced: see `gotrace.sources.ptrace.calls`."""
        values = list(self.registers(tid))
        if not values:
            return
        kind, _ = self._kinds[mark]
        first = abi.RDI if mark < MARKS // len(ABIS) else abi.RBX
        if kind is Kind.CLONE:
            values[first] &= ~CLONE_UNTRACED
            self.set_registers(tid, values)
            return
        with suppress(PtraceError):
            flags = binding.ptrace_peekdata(tid, values[first])
            if flags & CLONE_UNTRACED:
                binding.ptrace_pokedata(tid, values[first], flags & ~CLONE_UNTRACED)

    def _leave(self, tid: int, architecture: int, result: int, is_error: bool) -> Stop | None:
        """A call has returned. One that never came to our filter was refused by another."""
        mark = self._entered.pop(tid, None)
        refused = mark is None and is_error and bool(self._words[RECORDING])
        if mark is None and refused:
            mark = self._mark(tid, architecture)
        if mark is None:
            self.resume(tid)
            return None
        kind, paths = self._kind(mark)
        interrupted = is_error and abi.FIRST_RESTART <= -result <= abi.LAST_RESTART
        wanted = not is_error if kind is Kind.WRITE else is_error and not interrupted
        wanted = wanted and (kind in _ONLY_FAILURES if refused else kind is not None)
        if not wanted or (kind in _ONLY_FAILURES and -result in noise().get(mark, ())):
            self.resume(tid)
            return None
        values, known = self.registers(tid), by_mark().get(mark)
        ip, arguments = _arguments(values, mark)
        if kind not in _ONLY_FAILURES:
            what = What.WROTE if kind is Kind.WRITE else What.REFUSED
            return Stop(what, tid, mark=mark, result=abs(result), ip=ip, args=arguments)
        with Memory(tid) as memory:
            texts = [_text(memory, arguments[position - 1]) for position in paths]
            texts += [_address(memory, arguments, known.address)] if known and known.address else []
            stack = frames_of(memory, values) if self._running else b""
        of_64_bits = values and values[abi.CS] != abi.CODE_SEGMENT_32 and mark < MARKS // len(ABIS)
        held = bool(self._running and of_64_bits and self._held.take())
        if not held:
            self.resume(tid)
        first, second = ([len(text) for text in texts] + [0, 0])[:2]
        text = b"".join(texts)
        return Stop(What.FAILED, tid, 0, mark, 0, -result, ip, arguments, first, second, text, stack, held)

    def _event_message(self, tid: int) -> int:
        """PTRACE_GETEVENTMSG; 0 where the tracee is gone."""
        done = request(binding.PTRACE_GETEVENTMSG, tid, 0, ctypes.addressof(self._message))
        return self._message.value if done else 0


def _arguments(values: tuple[int, ...], mark: int) -> tuple[int, tuple[int, ...]]:
    """Instruction pointer and the call's six arguments, of the registers of a thread that is in it."""
    if not values:
        return 0, (0,) * 6
    if mark < MARKS // len(ABIS):
        return values[abi.RIP], tuple(values[one] for one in abi.X86_64_ARGUMENTS)
    return values[abi.RIP], tuple(values[one] & 0xFFFFFFFF for one in abi.I386_ARGUMENTS)


def _text(memory: Memory, address: int) -> bytes:
    """The string there with its NUL; empty where it cannot be read."""
    found = memory.string(address, PATH_LIMIT - 1)
    return b"" if found is None else found + b"\0"


def _address(memory: Memory, arguments: tuple[int, ...], position: int) -> bytes:
    """The socket address that a call names; empty where it cannot be read."""
    length = min(arguments[position] & 0xFFFFFFFF, LONGEST_ADDRESS)
    found = memory.read(arguments[position - 1], length)
    return found if len(found) == length else b""
