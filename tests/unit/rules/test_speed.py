"""The whole rule set on a recording of 100,000 events takes less than half a second; here with room for a slow machine.

CPU time is what is measured, so that other work on the machine does not matter.
"""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest

from gotrace.events.model import KnownEvent, SyscallError
from gotrace.events.recording import Header, read_recording
from gotrace.rules.engine import diagnose
from gotrace.trace.builder import build
from gotrace.trace.model import Trace

RECORDINGS = Path(__file__).parents[2] / "recordings"
EVENTS = 100_000
MOST_S = 2.5


def recorded(name: str) -> tuple[Header, list[KnownEvent]]:
    read = read_recording(RECORDINGS / f"{name}.gotrace.zst")
    return read.header, read.events


def with_many_failing_calls(name: str) -> Trace:
    """The recording with its failing calls said again until there are enough."""
    header, events = recorded(name)
    calls = [event for event in events if isinstance(event, SyscallError)]
    wanted = EVENTS - len(events)
    return build(header, [*events, *(calls * (wanted // len(calls) + 1))[:wanted]])


@pytest.mark.parametrize(
    "name", ["compiler-not-found", "missing-header", "glibc-headers-in-musl-build", "missing-library", "cgo-required"]
)
def test_a_hundred_thousand_events(name: str) -> None:
    header, events = recorded(name)
    few = diagnose(build(header, events))
    trace = with_many_failing_calls(name)
    began = time.process_time()
    diagnosis = diagnose(trace)
    took = time.process_time() - began
    assert [finding.code for finding in diagnosis.findings] == [finding.code for finding in few.findings]
    assert took < MOST_S, diagnosis.timings


def test_a_hundred_failing_builds_of_one_command() -> None:
    """What is worked out once for each build must not look at all the others."""
    header, events = recorded("missing-header")
    many: list[KnownEvent] = []
    for number in range(100):
        for event in events:
            moved = {"ts_ns": event.ts_ns + number * 10**12, "pid": event.pid + number * 10**7 if event.pid else 0}
            child = getattr(event, "child_pid", None)
            many.append(
                msgspec.structs.replace(event, **moved, **({"child_pid": child + number * 10**7} if child else {}))
            )
    trace = build(header, many)
    assert len(trace.builds) == 100
    began = time.process_time()
    diagnosis = diagnose(trace)
    assert time.process_time() - began < MOST_S, diagnosis.timings
