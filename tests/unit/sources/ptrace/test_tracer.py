"""What the tracer makes of stops in the orders that break naive tracers; the stops are made up, all else is real."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from gotrace.events.model import Event, Exec, Exit, Fork
from gotrace.sources.ptrace import abi, processes, records, tracer
from gotrace.sources.ptrace.calls import by_mark
from gotrace.sources.ptrace.channel import LIVE_BYTES, LOST, RECORDING, ROOT_GONE, TERMINAL_WRITES, Channel
from gotrace.sources.ptrace.records import RecordDecoder
from gotrace.sources.ptrace.stops import Stop, What

ROOT, PARENT, CHILD, THREAD = 4_000_001, 4_000_002, 4_000_003, 4_000_004
"""No process of this machine has such ids (a PID is below 2**22), so nothing real is looked at."""
SIGSTOP, SIGTRAP, SIGKILL = 19, 5, 9
EXECVE = next(mark for mark, call in by_mark().items() if call.name == "execve" and call.abi == 0)
WRITE = next(mark for mark, call in by_mark().items() if call.name == "write" and call.abi == 0)


class Scripted:
    """Stops in a given order, and what the tracer did about them. None: nothing more until CHILD may go on."""

    def __init__(self, *stops: Stop | None) -> None:
        self._stops = list(stops)
        self.done: list[tuple[str, int]] = []

    def next(self, *, wait: bool) -> Stop | None:
        if not self._stops:
            raise ChildProcessError
        if self._stops[0] is None:
            assert not wait or ("resume", CHILD) in self.done, "the tracer waits for ever, though somebody is held"
            if ("resume", CHILD) not in self.done:
                return None
            self._stops.pop(0)
        return self._stops.pop(0)

    def resume(self, tid: int) -> None:
        self.done.append(("resume", tid))

    def until_return(self, tid: int) -> None:
        self.done.append(("until return", tid))

    def listen(self, tid: int) -> None:
        self.done.append(("listen", tid))

    def registers(self, tid: int) -> tuple[int, ...]:
        return ()


@pytest.fixture
def channel() -> Iterator[Channel]:
    shared = Channel()
    yield shared
    shared.close()


@pytest.fixture(autouse=True)
def known_processes(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Which of the made-up ids are processes, not threads, and whose children they are."""
    known = SimpleNamespace(processes={ROOT, PARENT, CHILD}, parents={CHILD: PARENT})
    monkeypatch.setattr(tracer, "is_process", lambda tid: tid in known.processes)
    monkeypatch.setattr(tracer, "parent_of", lambda pid: known.parents.get(pid, 0))
    monkeypatch.setattr(processes, "innermost_pid", lambda pid: pid)
    return known


def follow(channel: Channel, stops: Scripted, *, terminal: bool = False) -> list[Event]:
    """Let a tracer follow ROOT through these stops; the events it told."""
    tracer.Tracer(channel, stops, terminal=terminal, unprivileged=False).follow(ROOT)
    decoder = RecordDecoder({"format": records.FORMAT})
    return decoder.decode(channel.live.drain()) + decoder.decode(channel.bulk.drain())


def told(events: list[Event]) -> list[tuple[str, int]]:
    """The kinds of events and whom they are about."""
    return [(type(event).__name__, event.pid) for event in events]


def born(parent: int, child: int, event: int = 1) -> Stop:
    return Stop(What.BORN, parent, event, message=child)


def halted(tid: int, signal: int = SIGTRAP) -> Stop:
    return Stop(What.HALTED, tid, signal)


def gone(tid: int, status: int = 0) -> Stop:
    return Stop(What.GONE, tid, status)


class TestBirths:
    def test_a_child_that_stops_before_its_parent_says_that_it_was_born_waits(self, channel: Channel) -> None:
        stops = Scripted(halted(PARENT), born(ROOT, PARENT), gone(PARENT), gone(ROOT))

        events = follow(channel, stops)

        assert told(events) == [("Fork", ROOT), ("Exit", PARENT), ("Exit", ROOT)]
        assert stops.done == [("resume", PARENT)]

    def test_a_child_whose_birth_is_known_is_let_go_at_once(self, channel: Channel) -> None:
        stops = Scripted(born(ROOT, PARENT), halted(PARENT), gone(PARENT), gone(ROOT))

        assert told(follow(channel, stops)) == [("Fork", ROOT), ("Exit", PARENT), ("Exit", ROOT)]
        assert stops.done == [("resume", PARENT)]

    def test_a_child_whose_parent_was_killed_before_it_could_say_so_is_not_held_for_ever(
        self, channel: Channel, known_processes: SimpleNamespace
    ) -> None:
        known_processes.parents[CHILD] = 1  # init has taken it over
        stops = Scripted(
            born(ROOT, PARENT), halted(PARENT), halted(CHILD), gone(PARENT, SIGKILL), None, gone(CHILD), gone(ROOT)
        )

        events = follow(channel, stops)

        assert told(events) == [("Fork", ROOT), ("Exit", PARENT), ("Fork", PARENT), ("Exit", CHILD), ("Exit", ROOT)]
        assert ("resume", CHILD) in stops.done

    def test_what_a_parent_says_too_late_is_not_told_twice(self, channel: Channel) -> None:
        stops = Scripted(born(ROOT, PARENT), halted(CHILD), None, born(PARENT, CHILD), gone(CHILD), gone(ROOT))

        assert [event.child_pid for event in follow(channel, stops) if isinstance(event, Fork)] == [PARENT, CHILD]

    def test_a_child_that_was_killed_before_its_parent_could_tell_has_a_birth_and_an_end(
        self, channel: Channel
    ) -> None:
        events = follow(channel, Scripted(gone(CHILD, SIGKILL), born(ROOT, CHILD), gone(ROOT)))

        assert told(events) == [("Fork", ROOT), ("Exit", CHILD), ("Exit", ROOT)]
        assert [event.signal for event in events if isinstance(event, Exit)] == [SIGKILL, None]

    def test_whose_birth_is_told_very_late_has_an_end_too(
        self, channel: Channel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tracer, "_EARLY_NS", -1)

        events = follow(channel, Scripted(gone(CHILD), born(ROOT, CHILD), gone(ROOT)))

        assert told(events) == [("Fork", ROOT), ("Exit", CHILD), ("Exit", ROOT)]

    def test_who_has_the_id_of_one_that_is_long_gone_is_another(
        self, channel: Channel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tracer, "_EARLY_NS", -1)
        monkeypatch.setattr(tracer, "has_ended", lambda _: False)

        events = follow(channel, Scripted(gone(CHILD, SIGKILL), born(ROOT, CHILD), gone(CHILD), gone(ROOT)))

        assert [event.signal for event in events if isinstance(event, Exit)] == [None, None]

    def test_a_thread_that_was_killed_before_its_birth_was_told_is_no_process(self, channel: Channel) -> None:
        events = follow(
            channel, Scripted(gone(THREAD, SIGKILL), born(ROOT, THREAD, abi.PTRACE_EVENT_CLONE), gone(ROOT))
        )

        assert told(events) == [("Exit", ROOT)]

    def test_a_thread_is_no_process(self, channel: Channel) -> None:
        stops = Scripted(
            born(ROOT, THREAD, abi.PTRACE_EVENT_CLONE),
            halted(THREAD),
            born(THREAD, CHILD),
            halted(CHILD),
            gone(THREAD),
            gone(CHILD),
            gone(ROOT),
        )

        events = follow(channel, stops)

        assert told(events) == [("Fork", ROOT), ("Exit", CHILD), ("Exit", ROOT)]
        assert events[0].tid == THREAD


class TestExecs:
    def test_a_thread_that_is_not_the_leader_goes_on_under_the_leaders_id(self, channel: Channel) -> None:
        stops = Scripted(
            born(ROOT, THREAD, abi.PTRACE_EVENT_CLONE), halted(THREAD),
            Stop(What.EXECUTING, THREAD, mark=EXECVE, args=(0,) * 6), Stop(What.EXECUTED, ROOT, message=THREAD),
            gone(ROOT),
        )  # fmt: skip

        events = follow(channel, stops)

        assert told(events) == [("Exec", ROOT), ("Exit", ROOT)]
        assert stops.done == [("resume", THREAD), ("until return", THREAD), ("resume", ROOT)]

    def test_what_cannot_be_read_is_unknown_not_empty(self, channel: Channel) -> None:
        events = follow(channel, Scripted(Stop(What.EXECUTED, ROOT, message=ROOT), gone(ROOT)))

        assert isinstance(events[0], Exec)
        assert (events[0].argv, events[0].env, events[0].cwd) == (None, None, None)

    def test_a_refused_exec_has_its_argv_and_errno(self, channel: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
        memory = SimpleNamespace(string=lambda *_: b"/bin/x", strings=lambda *_: (b"x\0-y\0", True))
        monkeypatch.setattr(processes.Process, "memory", memory)
        call: dict[str, Any] = {"mark": EXECVE, "args": (1, 2, 3, 0, 0, 0)}

        events = follow(
            channel, Scripted(Stop(What.EXECUTING, ROOT, **call), Stop(What.REFUSED, ROOT, result=13, **call))
        )

        assert isinstance(events[0], Exec)
        assert (events[0].path, events[0].argv, events[0].error) == ("/bin/x", ("x", "-y"), 13)

    def test_an_argument_vector_beyond_all_measure_is_cut_and_its_true_length_told(
        self, channel: Channel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        long = b"a" * (1 << 20) + b"\0b\0"
        memory = SimpleNamespace(string=lambda *_: b"x", strings=lambda *_: (long, True))
        monkeypatch.setattr(processes.Process, "memory", memory)

        events = follow(channel, Scripted(Stop(What.REFUSED, ROOT, result=7, mark=EXECVE, args=(0,) * 6)))

        assert isinstance(events[0], Exec)
        assert events[0].argv_bytes == len(long)


class TestHalts:
    def test_a_group_stop_is_left_as_it_is(self, channel: Channel) -> None:
        stops = Scripted(halted(ROOT, SIGSTOP), halted(ROOT), gone(ROOT))

        follow(channel, stops)

        assert stops.done == [("listen", ROOT), ("resume", ROOT)]

    def test_a_new_child_of_a_stopped_group_stays_stopped(self, channel: Channel) -> None:
        stops = Scripted(halted(CHILD, SIGSTOP), born(ROOT, CHILD), gone(CHILD), gone(ROOT))

        follow(channel, stops)

        assert stops.done == [("listen", CHILD)]


class TestWrites:
    def test_beyond_64_kb_of_a_process_a_write_stops_once_and_not_twice(
        self, channel: Channel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        memory = SimpleNamespace(read=lambda _, size: b"x" * size)
        monkeypatch.setattr(processes.Process, "memory", memory)
        call: dict[str, Any] = {"mark": WRITE, "args": (2, 4096, 70_000, 0, 0, 0)}
        stops = Scripted(
            Stop(What.WRITING, ROOT, **call),
            Stop(What.WROTE, ROOT, result=70_000, **call),
            Stop(What.WRITING, ROOT, **call),
        )

        (output,) = follow(channel, stops)

        assert (len(getattr(output, "text", "")), getattr(output, "truncated", None)) == (65_536, True)
        assert stops.done == [("until return", ROOT), ("resume", ROOT), ("resume", ROOT)]

    def test_writes_to_standard_output_are_only_counted_and_only_on_a_terminal(
        self, channel: Channel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tracer, "writes_to_terminal", lambda tid, descriptor: descriptor == 1)
        call: dict[str, Any] = {"mark": WRITE, "args": (1, 4096, 5, 0, 0, 0)}

        events = follow(channel, Scripted(Stop(What.WRITING, ROOT, **call), gone(ROOT)), terminal=True)

        assert channel.words[TERMINAL_WRITES] == 1
        assert told(events) == [("Exit", ROOT)]


class TestTheEnd:
    def test_the_commands_own_end_is_marked_after_it_was_told(self, channel: Channel) -> None:
        follow(channel, Scripted(born(ROOT, CHILD), halted(CHILD), gone(ROOT, 3 << 8)))

        assert channel.words[ROOT_GONE] == 1

    def test_once_nobody_reads_nothing_is_told_and_all_go_on(self, channel: Channel) -> None:
        channel.words[RECORDING] = 0
        stops = Scripted(
            born(ROOT, CHILD), halted(CHILD), Stop(What.EXECUTED, CHILD, message=CHILD), gone(CHILD), gone(ROOT)
        )

        assert follow(channel, stops) == []
        assert stops.done == [("resume", CHILD), ("resume", CHILD)]

    def test_where_the_reader_is_gone_nothing_more_is_recorded(self, channel: Channel) -> None:
        assert channel.live.put(b"\0" * (LIVE_BYTES - 8))
        stops = Scripted(born(ROOT, CHILD), gone(CHILD), gone(ROOT))

        tracer.Tracer(channel, stops, terminal=False, unprivileged=False, reader_gone=lambda: True).follow(ROOT)

        assert (channel.words[RECORDING], channel.words[LOST + records.FORK]) == (0, 0)

    def test_what_does_not_fit_is_counted_and_nobody_waits(self, channel: Channel) -> None:
        assert channel.live.put(b"\0" * (LIVE_BYTES - 8))

        tracer.Tracer(channel, Scripted(gone(ROOT)), terminal=False, unprivileged=False).follow(ROOT)

        assert channel.words[LOST + records.EXIT] == 1


class TestAnAttachedFamily:
    BELL = 4_000_009

    def test_it_is_followed_until_the_bell_rings(self, channel: Channel) -> None:
        stops = Scripted(halted(ROOT), born(THREAD, CHILD), halted(CHILD), gone(self.BELL), gone(ROOT))
        attached = tracer.Tracer(channel, stops, terminal=False, unprivileged=False)
        attached.join({ROOT: {ROOT, THREAD}, PARENT: {PARENT}})
        attached.follow_until(self.BELL)

        events = RecordDecoder({"format": records.FORMAT}).decode(channel.live.drain())
        assert [(event.pid, event.tid, event.child_pid) for event in events if isinstance(event, Fork)] == [
            (ROOT, THREAD, CHILD)
        ]
        assert stops.done == [("resume", ROOT), ("resume", CHILD)]
        assert attached.processes() == {ROOT, PARENT, CHILD}

    def test_the_end_of_the_one_that_was_named_is_marked(self, channel: Channel) -> None:
        attached = tracer.Tracer(
            channel, Scripted(gone(PARENT), gone(ROOT, 3 << 8), gone(self.BELL)), terminal=False, unprivileged=False
        )
        attached.join({ROOT: {ROOT}, PARENT: {PARENT}})
        attached.follow_until(self.BELL)

        assert channel.words[ROOT_GONE] == 1
        assert attached.processes() == set()
