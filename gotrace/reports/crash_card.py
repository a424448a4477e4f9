"""The card of a crash: the signal and what it means, the stack, and what the thread had done right before."""

from __future__ import annotations

from typing import Final

from rich.text import Text

from gotrace.events import running
from gotrace.events.model import Event, Frame
from gotrace.events.signals import signal_name
from gotrace.events.strace import render
from gotrace.reports.escape import safe_line
from gotrace.reports.page import Page
from gotrace.reports.wording import cut
from gotrace.trace.crash import Crash, Meaning

_LABEL: Final = 10
_FRAMES: Final = 24
_BEFORE: Final = 4
_OWN: Final = {"go": "Go", "c": "C"}
"""Origins that the name of the module does not tell."""


def draw_crash(page: Page, crash: Crash) -> None:
    """The card, as part of a report."""
    signal = crash.signal
    told = f"{signal_name(signal.signal)} ({running.code_name(signal.signal, signal.code)}{_where(crash)})"
    who = f"thread {signal.tid}, " if signal.tid not in (0, signal.pid) else ""
    page.paragraph(f"{told}, {who}pid {signal.pid}: {_meaning(crash)}", label=_label("crash"))
    for number, line in enumerate(_stack(crash.stack)):
        room = page.width - _LABEL - 2
        page.verbatim((_label("stack") if number == 0 else Text(" " * (_LABEL + 2))) + Text(cut(line, room)))
    before = sorted((*crash.linking, *crash.failures), key=lambda event: event.ts_ns)[-_BEFORE:]
    for number, event in enumerate(before):
        label = _label("before") if number == 0 else Text(" " * (_LABEL + 2))
        page.paragraph(f"{_ago(event, crash)}  {safe_line(render(event))}", label=label)


def _meaning(crash: Crash) -> str:
    if crash.meaning is Meaning.UNRELOCATED_CALL and crash.library is not None:
        return f"{crash.meaning}: it lies in the code of {safe_line(crash.library.path)} as the file has it"
    if crash.meaning is Meaning.SENT and crash.signal.sender:
        return f"{crash.meaning}: pid {crash.signal.sender}"
    return str(crash.meaning)


def _where(crash: Crash) -> str:
    if crash.signal.code <= 0 or crash.meaning is Meaning.ABORT:
        return ""
    how = f"{crash.signal.access} at " if crash.signal.access else "address "
    return f", {how}{running.pointer(crash.signal.address)}"


def _stack(frames: tuple[Frame, ...]) -> list[str]:
    lines = [_frame(one) for one in frames[:_FRAMES]]
    return [*lines, f"… and {len(frames) - _FRAMES} more"] if len(frames) > _FRAMES else lines


def _frame(one: Frame) -> str:
    if not one.module:
        return f"{one.ip:#x}, where nothing is mapped"
    origin = f", {_OWN[one.origin]}" if one.origin in _OWN else ""
    line = running.source_line(one)
    return safe_line(f"{running.frame(one)}{origin}{f' {line}' if line else ''}")


def _ago(event: Event, crash: Crash) -> str:
    """How long before the signal, in a unit that keeps it short."""
    milliseconds = (crash.signal.ts_ns - event.ts_ns) / 1e6
    return f"{milliseconds / 1000:.1f} s" if milliseconds >= 1000 else f"{milliseconds:.1f} ms"


def _label(word: str) -> Text:
    return Text(f"  {word:<{_LABEL}}", "cyan")
