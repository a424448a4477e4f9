"""Crashes in a sentence: who called, in which program, from which Go function."""

from __future__ import annotations

import re
from typing import Final

from gotrace.events import running
from gotrace.events.model import Dlopen, Fact, Frame, Library
from gotrace.rules.loaded_files import name_of
from gotrace.trace.crash import Crash
from gotrace.trace.model import Trace

_CGO: Final = re.compile(r"_cgo_[0-9a-f]+_C2?func_(\w+)")
"""What cgo makes for a call of C.name: the C side of it, into which the compiler may have put the function itself."""
_GO_SIDE: Final = re.compile(r"\._C2?func_(\w+)$")
"""And the Go side, whose name a stripped program still has."""
_RUNTIME: Final = ("runtime.", "runtime/", "internal/")


def program(crash: Crash) -> str:
    """The name of the program that crashed."""
    return name_of(crash.span.exec.path)


def function(frame: Frame | None) -> str:
    """ "C.init" for what cgo made of a call of it, the symbol of others, else `libssl.so.3+0x1234`."""
    if frame is None:
        return ""
    called = _CGO.fullmatch(frame.symbol)
    return f"C.{called[1]}" if called else frame.symbol or running.frame(frame)


def caller(crash: Crash) -> Frame | None:
    """The function that called to where the fault was, where it is known."""
    return next((frame for frame in crash.stack[1:2] if frame.module), None)


def go_frame(crash: Crash) -> Frame | None:
    """The Go function that called into C, outside of what cgo and the runtime put in between."""
    of_go = (frame for frame in crash.stack if frame.origin == "go" and frame.symbol)
    outside = (frame for frame in of_go if not frame.symbol.startswith(_RUNTIME))
    return next((frame for frame in outside if not _GO_SIDE.search(frame.symbol)), None)


def go_caller(crash: Crash) -> str:
    """Its name, as main.main; empty for none."""
    frame = go_frame(crash)
    return frame.symbol if frame is not None else ""


def by_whom(crash: Crash) -> str:
    """ "C.start_ssl, called by main.main"; empty where no caller is known."""
    frame, above = caller(crash), go_caller(crash)
    if frame is None:
        return ""
    name = function(frame) if frame.symbol else _by_go_side(crash) or function(frame)
    return f"{name}, called by {above}" if above and above != name else name


def _by_go_side(crash: Crash) -> str:
    called = (_GO_SIDE.search(frame.symbol) for frame in crash.stack if frame.origin == "go")
    return next((f"C.{found[1]}" for found in called if found), "")


def unrelocated(trace: Trace, crash: Crash, kind: str) -> list[Fact]:
    """The files that have the fault's address in a word which the loader should have relocated (`unrelocated`).

    The caller's own file first, then the one that was mapped last.
    """
    fault = crash.signal
    meant = [
        fact
        for fact in trace.facts_for("unrelocated", fault.pid)
        if fact.data.get("kind") == kind and fact.data.get("address") in (fault.ip, fault.address)
    ]
    order = {library.path: place for place, library in enumerate(crash.span.libraries)}
    above = caller(crash)
    return sorted(
        meant,
        key=lambda fact: (above is None or fact.subject != above.module, -order.get(fact.subject, -1)),
    )


def mapped(crash: Crash, path: str) -> Library | None:
    """The first mapping of a file's code."""
    return next((library for library in crash.span.libraries if library.path == path), None)


def opened_by(crash: Crash, path: str) -> Dlopen | None:
    """The dlopen that brought a file in; None where it came with the program."""
    library = mapped(crash, path)
    calls = [event for event in crash.span.linking if isinstance(event, Dlopen) and event.handle]
    if library is None:
        return None
    return next((one for one in calls if one.began_ns <= library.ts_ns <= one.ts_ns), None)
