"""The words between the launched child and the tracer, from both sides."""

from __future__ import annotations

import errno
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from gotrace.sources.ptrace import launch
from gotrace.sources.ptrace.channel import Channel
from gotrace.sources.ptrace.filter import Filter
from gotrace.sources.ptrace.launch import Presented, hear, say, serve

TRACER = 4711


class FakeFilter:
    """Notes that it was installed."""

    def __init__(self) -> None:
        self.installed = 0

    def install(self) -> None:
        self.installed += 1


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (ours, theirs):
        end.settimeout(60)
    yield ours, theirs
    ours.close()
    theirs.close()


def test_numbers_arrive_as_they_were_sent(ends: tuple[socket.socket, socket.socket]) -> None:
    for number in (0, 1, -1, 1 << 22, -(1 << 62)):
        say(ends[0], number)
        assert hear(ends[1]) == number


def test_nobody_is_there_any_more(ends: tuple[socket.socket, socket.socket]) -> None:
    ends[0].close()
    with pytest.raises(ConnectionResetError, match="the tracer is gone"):
        hear(ends[1])
    with pytest.raises(BrokenPipeError):
        say(ends[1], 1)


@pytest.mark.parametrize("problem", [0, errno.EPERM])
def test_a_child_presents_itself(ends: tuple[socket.socket, socket.socket], problem: int) -> None:
    """It installs the filter after it was seized, and only then: each call would fail without a tracer."""
    child, tracer = ends
    ready = FakeFilter()
    present = Presented(child, cast(Filter, ready))
    heard: list[int] = []

    def answer() -> None:
        heard.append(hear(tracer))
        say(tracer, TRACER)
        heard.append(hear(tracer))
        heard.append(ready.installed)
        say(tracer, problem)

    thread = threading.Thread(target=answer)
    thread.start()
    if problem:
        with pytest.raises(PermissionError):
            present()
    else:
        present()
    thread.join()
    assert heard == [os.getpid(), 0, 0]
    assert ready.installed == (0 if problem else 1)


def test_a_tracer_that_dies_meanwhile_is_an_error(ends: tuple[socket.socket, socket.socket]) -> None:
    child, tracer = ends
    ready = FakeFilter()
    say(tracer, TRACER)
    tracer.shutdown(socket.SHUT_WR)
    with pytest.raises(OSError, match="gone"):
        Presented(child, cast(Filter, ready))()
    assert ready.installed == 0


def served(connection: socket.socket, others: socket.socket, channel: Channel) -> int:
    """The pid of a child of ours that is a tracer, and does not have the others' end."""
    pid = os.fork()
    if pid == 0:
        try:
            others.close()
            connection.settimeout(None)
            serve(connection, channel, terminal=False)
        finally:
            os._exit(0)
    return pid


def test_a_real_tracer_serves_a_real_child(ends: tuple[socket.socket, socket.socket]) -> None:
    child_end, tracer_end = ends
    channel = Channel()
    tracer = served(tracer_end, child_end, channel)
    tracer_end.close()
    try:
        assert hear(child_end) == tracer
        present = Presented(child_end, Filter(stdout=False))
        command = os.fork()
        if command == 0:
            try:
                present()
                os.access("/nowhere", 0)
            finally:
                os._exit(7)
        child_end.close()
        assert os.waitstatus_to_exitcode(os.waitpid(command, 0)[1]) == 7
        assert os.waitstatus_to_exitcode(os.waitpid(tracer, 0)[1]) == 0
        assert b"/nowhere\0" in channel.bulk.drain()
        assert channel.live.drain() != b""
    finally:
        channel.close()


def test_a_tracer_that_nobody_comes_to_ends(ends: tuple[socket.socket, socket.socket]) -> None:
    """And is deaf to what ends other processes until then; its name is not ours."""
    child_end, tracer_end = ends
    channel = Channel()
    tracer = served(tracer_end, child_end, channel)
    tracer_end.close()
    assert hear(child_end) == tracer
    assert Path(f"/proc/{tracer}/comm").read_text() == "ptrace-keeper\n"
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        os.kill(tracer, number)
    assert os.waitpid(tracer, os.WNOHANG) == (0, 0)
    child_end.close()
    assert os.waitstatus_to_exitcode(os.waitpid(tracer, 0)[1]) == 0
    channel.close()


def test_the_name_fits_the_15_bytes_of_a_comm() -> None:
    assert len(launch.KEEPER) <= 15
    assert not launch.KEEPER.startswith("gotrace")
