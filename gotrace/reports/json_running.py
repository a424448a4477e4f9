"""What the report for programs says of a running program: its crashes, and its failing calls."""

from __future__ import annotations

from typing import Any, Final

from gotrace.events import running
from gotrace.events.errno import errno_name
from gotrace.events.model import Exec, Frame, SyscallError
from gotrace.events.signals import signal_name
from gotrace.events.strace import render
from gotrace.reports.failing_calls import listed, told
from gotrace.reports.json_parts import process
from gotrace.rules.finding import Diagnosis
from gotrace.trace.crash import Crash, crashes
from gotrace.trace.failing import FailingCalls, Relevance
from gotrace.trace.model import Trace

MOST: Final = 50
"""Groups of failing calls that are listed; what comes after them is counted."""


def of_a_run(trace: Trace, diagnosis: Diagnosis) -> dict[str, Any]:
    """The fields of the report that tell of it. Of a build no failing calls are told: each is full of them."""
    ranked = listed(trace, diagnosis) if trace.header.running else []
    groups = [group for group in ranked if group.relevance > Relevance.HARMLESS]
    return {
        "crashes": [_crash(crash) for crash in crashes(trace)],
        "failing_calls": [_failing(group) for group in groups[:MOST]],
        "failing_calls_not_listed": {
            "ranked_lower": sum(group.count for group in groups[MOST:]),
            "harmless": sum(group.count for group in ranked if group.relevance is Relevance.HARMLESS),
        },
    }


def _crash(crash: Crash) -> dict[str, Any]:
    signal = crash.signal
    return {
        "process": process(crash.span),
        "tid": signal.tid,
        "ts_ns": signal.ts_ns,
        "signal": signal.signal,
        "name": signal_name(signal.signal),
        "code": running.code_name(signal.signal, signal.code),
        "address": hex(signal.address) if signal.code > 0 else None,
        "access": signal.access or None,
        "sender": signal.sender or None,
        "meaning": str(crash.meaning),
        "library": crash.library.path if crash.library is not None else None,
        "stack": [_frame(frame) for frame in crash.stack],
        "last_calls": [
            {"ts_ns": event.ts_ns, "text": render(event), "event": event.__struct_config__.tag}
            for event in sorted((*crash.linking, *crash.failures), key=lambda event: event.ts_ns)
        ],
    }


def _failing(group: FailingCalls) -> dict[str, Any]:
    return {
        "text": told(group),
        "event": group.first.__struct_config__.tag,
        "error": _error(group),
        "relevance": group.relevance.name.lower(),
        "count": group.count,
        "other_paths": max(0, len(group.paths) - 1),
        "per_second": round(group.rate, 3),
        "processes": len(group.pids),
        "process": process(group.span),
        "by": [_frame(frame) for frame in group.by],
        "by_known_of": group.known or group.count,
        "first_ns": group.since_ns or group.first.ts_ns,
        "last_ns": group.last_ns,
    }


def _error(group: FailingCalls) -> str | None:
    first = group.first
    if isinstance(first, SyscallError):
        return errno_name(first.errno)
    return errno_name(first.error) if isinstance(first, Exec) else None


def _frame(frame: Frame) -> dict[str, Any]:
    return {
        "function": frame.symbol or None,
        "offset": frame.distance,
        "module": frame.module or None,
        "address": hex(frame.address),
        "ip": hex(frame.ip),
        "origin": frame.origin or None,
        "file": frame.file or None,
        "line": frame.line or None,
    }
