"""What the reader makes of messages, said by a connector that the test speaks for; /proc is the real one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

from gotrace.events.model import Event, Exec, Exit, Fork
from gotrace.sources.netlink import reader as module
from gotrace.sources.netlink.messages import Ended, Executed, Forked, Message
from gotrace.sources.netlink.reader import Reader
from gotrace.sources.netlink.records import NetlinkDecoder, decoder_info
from gotrace.sources.netlink.roll import RollCall

SELF = os.getpid()
MY_ARGV = tuple(Path("/proc/self/cmdline").read_text().removesuffix("\0").split("\0"))
LONG_AGO = 1


class FakeConnector:
    """Says one list of messages at each turn, then nothing; always has something to say to poll(2)."""

    def __init__(self) -> None:
        self.turns: deque[list[Message] | OSError] = deque()
        self._descriptor = os.eventfd(1)

    def fileno(self) -> int:
        return self._descriptor

    def drain(self) -> list[Message]:
        turn = self.turns.popleft() if self.turns else []
        if isinstance(turn, OSError):
            raise turn
        return turn

    def close(self) -> None:
        os.close(self._descriptor)


@pytest.fixture
def connector() -> Iterator[FakeConnector]:
    fake = FakeConnector()
    yield fake
    fake.close()


@pytest.fixture
def reader(connector: FakeConnector, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    """One whose target is this very process, and that is as patient as a busy machine needs."""
    monkeypatch.setattr(module, "_LATEST_MESSAGE_S", 60)
    roll = RollCall(4711)
    roll.present()
    one = Reader(connector, roll)  # type: ignore[arg-type]
    yield one
    one.close()
    roll.close()


def said(reader: Reader, connector: FakeConnector, *turns: list[Message] | OSError) -> list[Event]:
    """The events of these turns."""
    connector.turns.extend(turns)
    reader.start()
    deadline = time.monotonic() + 60
    while connector.turns and reader.failure is None and time.monotonic() < deadline:
        time.sleep(0.001)
    reader.finish()
    return NetlinkDecoder(decoder_info("netlink")).decode(reader.take())


def of_me(ts_ns: int) -> Executed:
    return Executed(ts_ns, SELF, SELF)


def test_an_exec_is_looked_up(reader: Reader, connector: FakeConnector) -> None:
    (event,) = said(reader, connector, [of_me(LONG_AGO)])
    assert isinstance(event, Exec)
    assert (event.argv, event.cwd) == (MY_ARGV, str(Path.cwd()))
    assert (reader.met, reader.unread, reader.unended, reader.failure) == (True, 0, 0, None)


def test_of_two_execs_told_at_once_the_first_is_not_taken_for_the_second(
    reader: Reader, connector: FakeConnector
) -> None:
    first, second = said(reader, connector, [of_me(LONG_AGO), of_me(LONG_AGO + 1)])
    assert isinstance(first, Exec)
    assert isinstance(second, Exec)
    assert (first.path, first.argv, first.env, first.cwd) == ("", None, None, None)
    assert second.argv == MY_ARGV
    assert reader.unread == 1


def test_what_was_read_too_late_is_forgotten(reader: Reader, connector: FakeConnector) -> None:
    """The second program ran already when /proc was read for the first one; so its message says, a turn later."""
    first, second = said(reader, connector, [of_me(LONG_AGO)], [of_me(LONG_AGO + 1)])
    assert isinstance(first, Exec)
    assert isinstance(second, Exec)
    assert (first.argv, second.argv) == (None, MY_ARGV)
    assert reader.unread == 1


def test_what_was_read_in_time_stays(reader: Reader, connector: FakeConnector) -> None:
    in_an_hour = time.monotonic_ns() + 3600 * 10**9
    events = said(reader, connector, [of_me(LONG_AGO)], [of_me(in_an_hour)])
    assert [event.argv for event in events if isinstance(event, Exec)] == [MY_ARGV, MY_ARGV]


def test_records_keep_their_order_while_one_is_held(reader: Reader, connector: FakeConnector) -> None:
    gone = ended_process()
    events = said(reader, connector, [Forked(1, SELF, SELF, gone, gone), of_me(2)], [Ended(3, gone, gone, 0), of_me(4)])
    assert [type(event) for event in events] == [Fork, Exec, Exit, Exec]


def test_a_process_that_is_gone_and_never_told_of_is_counted(
    reader: Reader, connector: FakeConnector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LATEST_MESSAGE_S", 0.1)
    gone = ended_process()
    events = said(reader, connector, [Forked(1, SELF, SELF, gone, gone)])
    assert [type(event) for event in events] == [Fork]
    assert reader.unended == 1


def test_a_message_that_comes_late_is_waited_for(reader: Reader, connector: FakeConnector) -> None:
    gone = ended_process()
    connector.turns.extend([[Forked(1, SELF, SELF, gone, gone)], [], []])
    connector.turns.append([Ended(2, gone, gone, 0)])
    reader.start()
    reader.finish()
    events = NetlinkDecoder(decoder_info("netlink")).decode(reader.take())
    assert [type(event) for event in events] == [Fork, Exit]
    assert reader.unended == 0


def test_a_connector_that_fails_is_remembered(reader: Reader, connector: FakeConnector) -> None:
    before = time.monotonic_ns()
    assert said(reader, connector, OSError("gone")) == []
    assert str(reader.failure) == "gone"
    assert before <= reader.failed_ns <= time.monotonic_ns()


def test_other_threads_get_their_usual_time_back(reader: Reader, connector: FakeConnector) -> None:
    usual = sys.getswitchinterval()
    reader.start()
    assert sys.getswitchinterval() < usual
    reader.finish()
    assert sys.getswitchinterval() == usual


def test_only_who_knows_the_cookie_is_met() -> None:
    roll, other = RollCall(1), RollCall(2)
    roll.present()
    os.write(roll._answer, b"\x02" + bytes(7) + (999).to_bytes(4, "little"))
    assert roll.answers() == [SELF]
    assert roll.answers() == other.answers() == []
    roll.close()
    other.close()


def ended_process() -> int:
    with subprocess.Popen(["/bin/true"]) as process:
        pass
    return process.pid
