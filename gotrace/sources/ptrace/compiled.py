"""Stops through stops.c, where it was compiled when gotrace was installed; the same behaviour at half the cost."""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path
from typing import Final

from gotrace.sources.ptrace.calls import MARKS, births, observed
from gotrace.sources.ptrace.channel import RECORDING
from gotrace.sources.ptrace.stops import PATH_LIMIT, PythonStops, Requests, Stop, Stops

_LIBRARY: Final = Path(__file__).with_name("_stops.so")
_STOP: Final = struct.Struct("<iiiIQqQ6QII")
"""struct stop of stops.c, without the text."""
_SWITCH: Final = "GOTRACE_PTRACE_LOOP"
"""`python`: do without the compiled loop, to compare them and to find out whether it is to blame."""


def stops_of(words: memoryview) -> Stops:
    """The compiled loop if it is there and fits, else the one in Python."""
    library = None if os.environ.get(_SWITCH) == "python" else _load()
    return PythonStops(words) if library is None else CompiledStops(library, words)


def _load() -> ctypes.CDLL | None:
    """None where it was not compiled, or from another version of stops.c, or cannot read a tracee's memory here."""
    try:
        library = ctypes.CDLL(str(_LIBRARY))
        layout = tuple((ctypes.c_uint32 * 4).in_dll(library, "layout_of_stop"))
        fits = layout == (_STOP.size + 2 * PATH_LIMIT, _STOP.size, MARKS, PATH_LIMIT) and library.can_read()
    except (OSError, ValueError, AttributeError):
        return None
    return library if fits else None


class CompiledStops(Requests):
    """See `gotrace.sources.ptrace.stops.Stops`."""

    def __init__(self, library: ctypes.CDLL, words: memoryview) -> None:
        super().__init__()
        for call in (*observed(), *births()):
            library.set_call(call.mark, int(call.kind), *(*call.paths, 0, 0)[:2])
        self._buffer = ctypes.create_string_buffer(_STOP.size + 2 * PATH_LIMIT)
        self._view = memoryview(self._buffer)
        self._recording = ctypes.c_uint64.from_buffer(words, RECORDING * words.itemsize)
        self._address, self._flag = ctypes.addressof(self._buffer), ctypes.addressof(self._recording)
        self._next = library.next_stop
        self._next.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)

    def next(self, *, wait: bool) -> Stop | None:
        """See the protocol."""
        found = self._next(self._address, wait, self._flag)
        if found == 0:
            return None
        if found < 0:
            raise ChildProcessError
        what, tid, status, mark, message, result, ip, a0, a1, a2, a3, a4, a5, first, second = _STOP.unpack_from(
            self._view
        )
        text = bytes(self._view[_STOP.size : _STOP.size + first + second]) if first or second else b""
        return Stop(
            what, tid, status, mark, message, result, ip, (a0, a1, a2, a3, a4, a5), first, second, text
        )  # fmt: skip
