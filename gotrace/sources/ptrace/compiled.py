"""Stops through stops.c, where it was compiled when gotrace was installed; the same behaviour at half the cost."""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path
from typing import Final

from gotrace.sources.ptrace.calls import ABIS, MARKS, births, clock_reads, noise, numbered, observed, of_programs
from gotrace.sources.ptrace.channel import RECORDING
from gotrace.sources.ptrace.frames import MOST_FRAMES
from gotrace.sources.ptrace.requests import Requests
from gotrace.sources.ptrace.stops import PATH_LIMIT, PythonStops, Stop

_LIBRARY: Final = Path(__file__).with_name("_stops.so")
_STOP: Final = struct.Struct("<iiiIQqQ6QIIII")
"""struct stop of stop.h, without stack and text."""
_TEXT_AT: Final = _STOP.size + 8 * MOST_FRAMES
_AN_ADDRESS: Final = 128
"""AN_ADDRESS of stops.c."""
_NEEDED: Final = ("set_harmless", "asks_the_vdso", "read_address", "may_hold")
"""Functions that older versions did not have."""
_SWITCH: Final = "GOTRACE_PTRACE_LOOP"
"""`python`: do without the compiled loop, to compare them and to find out whether it is to blame."""


def stops_of(
    words: memoryview, signals: frozenset[int] = frozenset(), *, syscalls: bool = False, filtered: bool = False
) -> PythonStops | CompiledStops:
    """The compiled loop if it is there and fits, else the one in Python; the rest as `PythonStops` has it."""
    library = None if os.environ.get(_SWITCH) == "python" else _load()
    if library is None:
        return PythonStops(words, signals, syscalls=syscalls, filtered=filtered)
    return CompiledStops(library, words, signals, syscalls=syscalls, filtered=filtered)


def _load() -> ctypes.CDLL | None:
    """None where it was not compiled, or from another version of its sources, or cannot read a tracee's memory here."""
    try:
        library = ctypes.CDLL(str(_LIBRARY))
        layout = tuple((ctypes.c_uint32 * 4).in_dll(library, "layout_of_stop"))
        fits = layout == (_TEXT_AT + 2 * PATH_LIMIT, _TEXT_AT, MARKS, PATH_LIMIT) and library.can_read()
        fits = fits and all(hasattr(library, name) for name in _NEEDED)
    except (OSError, ValueError, AttributeError):
        return None
    return library if fits else None


class CompiledStops(Requests):
    """See `gotrace.sources.ptrace.stops.Stops`."""

    def __init__(
        self,
        library: ctypes.CDLL,
        words: memoryview,
        signals: frozenset[int] = frozenset(),
        *,
        syscalls: bool = False,
        filtered: bool = False,
    ) -> None:
        super().__init__()
        library.tell_signals(sum(1 << number for number in signals))
        for call in (*observed(), *((*of_programs(), *clock_reads()) if signals else ()), *births()):
            texts = (call.address | _AN_ADDRESS, 0) if call.address else (*call.paths, 0, 0)[:2]
            library.set_call(call.mark, int(call.kind), *texts)
            for error in noise().get(call.mark, ()):
                library.set_harmless(call.mark, error)
        for abi, number in numbered().items() if signals else ():
            library.set_nameless(abi * MARKS // len(ABIS), number)
        self._follow = library.follow_all_calls
        self._follow(syscalls or filtered, syscalls)
        self._how = ctypes.c_int.in_dll(library, "go_on")
        self._buffer = ctypes.create_string_buffer(_TEXT_AT + 2 * PATH_LIMIT)
        self._view = memoryview(self._buffer)
        self._recording = ctypes.c_uint64.from_buffer(words, RECORDING * words.itemsize)
        self._address, self._flag = ctypes.addressof(self._buffer), ctypes.addressof(self._recording)
        self._next = library.next_stop
        self._next.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
        self._look = library.look_at
        self._look.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_void_p)

    def resume(self, tid: int) -> None:
        """Let it run."""
        self._on = self._how.value
        super().resume(tid)

    def deliver(self, tid: int, number: int) -> None:
        """Let it run with that signal."""
        self._on = self._how.value
        super().deliver(tid, number)

    def follow_no_calls(self) -> None:
        """See `PythonStops`."""
        self._follow(0, 0)

    def next(self, *, wait: bool) -> Stop | None:
        """See the protocol."""
        found = self._next(self._address, wait, self._flag)
        if found == 0:
            return None
        if found < 0:
            raise ChildProcessError
        return self._found()

    def look_at(self, tid: int, status: int) -> Stop | None:
        """See the protocol."""
        return self._found() if self._look(self._address, tid, status, self._flag) else None

    def _found(self) -> Stop:
        view = self._view
        what, tid, status, mark, message, result, ip, a0, a1, a2, a3, a4, a5, first, second, frames, held = (
            _STOP.unpack_from(view)
        )
        text = bytes(view[_TEXT_AT : _TEXT_AT + first + second]) if first or second else b""
        stack = bytes(view[_STOP.size : _STOP.size + 8 * frames]) if frames else b""
        args = (a0, a1, a2, a3, a4, a5)
        return Stop(what, tid, status, mark, message, result, ip, args, first, second, text, stack, bool(held))
