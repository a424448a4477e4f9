"""Reads of the clock are counted, and told when their process ends or becomes another program."""

from __future__ import annotations

import pytest

from gotrace.events.model import ClockReads
from gotrace.sources.ptrace import clocks, processes, records
from gotrace.sources.ptrace.calls import clock_reads
from gotrace.sources.ptrace.clocks import Clocks
from gotrace.sources.ptrace.processes import Process
from gotrace.sources.ptrace.records import RecordDecoder
from gotrace.sources.ptrace.stops import Stop, What

MARKS = {call.name: call.mark for call in clock_reads()}
ONE, OTHER = 4_000_001, 4_000_002
"""No process of this machine has such ids."""


class Told:
    """What becomes of the counts."""

    def __init__(self) -> None:
        self.records: list[bytes] = []
        self.lost: list[int] = []
        self.clocks = Clocks(lambda _kind, record: self.records.append(record), self.lost.append)
        self.known: dict[int, Process] = {}

    def read(self, pid: int, ip: int, name: str = "clock_gettime", tid: int = 0) -> None:
        process = self.known.setdefault(pid, Process(pid))
        self.clocks.read(process, Stop(What.CLOCKED, tid or pid, mark=MARKS[name], ip=ip))

    def events(self) -> list[ClockReads]:
        decoded = RecordDecoder({"format": records.FORMAT}).decode(b"".join(self.records))
        return [event for event in decoded if isinstance(event, ClockReads)]

    def counts(self) -> dict[tuple[int, str, int], int]:
        return {(event.pid, event.syscall, event.ip): event.count for event in self.events()}


@pytest.fixture(autouse=True)
def no_namespaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "innermost_pid", lambda pid: pid)


def test_each_place_of_each_process_has_a_count_of_its_own() -> None:
    told = Told()
    for _ in range(23):
        told.read(ONE, 0x10)
    told.read(ONE, 0x20)
    told.read(ONE, 0x10, "time", tid=7)
    told.read(OTHER, 0x10)
    told.clocks.tell(ONE)
    assert told.counts() == {
        (ONE, "clock_gettime", 0x10): 23, (ONE, "clock_gettime", 0x20): 1, (ONE, "time", 0x10): 1,
    }  # fmt: skip
    assert [event.tid for event in told.events()] == [ONE, ONE, 7]


def test_what_is_told_begins_anew() -> None:
    told = Told()
    told.read(ONE, 0x10)
    told.clocks.tell(ONE)
    told.clocks.tell(ONE)
    told.read(ONE, 0x10)
    told.clocks.tell_all()
    first, second = told.events()
    assert (first.count, second.count) == (1, 1)
    assert first.began_ns <= first.ts_ns <= second.began_ns


def test_in_the_end_all_are_told() -> None:
    told = Told()
    told.read(ONE, 0x10)
    told.read(OTHER, 0x10)
    told.clocks.tell_all()
    assert set(told.counts()) == {(ONE, "clock_gettime", 0x10), (OTHER, "clock_gettime", 0x10)}


def test_of_too_many_places_the_rest_is_lost_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clocks, "_MOST_PLACES", 2)
    told = Told()
    for ip in (1, 2, 3, 1, 3):
        told.read(ONE, ip)
    told.clocks.tell(ONE)
    assert sorted(told.counts().values()) == [1, 2]
    assert told.lost == [records.CLOCK_READS] * 2
