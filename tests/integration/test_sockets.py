"""Sockets of a process as the kernel has them: queues that fill up, states, and other network namespaces."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import TypeVar

import pytest

from gotrace.host.sockets import Overview, Sockets
from tests.integration.watching import wait_for

Answer = TypeVar("Answer")


def in_a_thread(work: Callable[[], Answer]) -> Answer:
    """It may enter another namespace, which no other test should be in."""
    answers: list[Answer] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            answers.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return answers[0]


def look(pid: int) -> Overview:
    def once() -> Overview:
        sockets = Sockets(pid)
        try:
            return sockets.look()
        finally:
            sockets.close()

    return in_a_thread(once)


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_queue_that_fills_up(family: socket.AddressFamily) -> None:
    host = "127.0.0.1" if family == socket.AF_INET else "::1"
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server((host, 0), family=family, backlog=5))
        address = listening.getsockname()
        for _ in range(3):
            client = stack.enter_context(socket.socket(family))
            client.connect(address)

        found = look(os.getpid())

    [mine] = [one for one in found.listening if one.port == address[1]]
    assert (mine.address, mine.queued, mine.limit) == (host, 3, 5)
    assert found.states["established"] >= 3
    assert found.states["listening"] >= 1
    assert found.retransmits >= 0


def test_an_overflow_is_counted() -> None:
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1))
        before = look(os.getpid()).overflows
        assert before is not None
        for _ in range(6):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listening.getsockname())
        wait_for(lambda: (look(os.getpid()).overflows or 0) > before)


LISTENS = """\
import socket, sys
listening = socket.create_server(("127.0.0.1", 0), backlog=7)
print(listening.getsockname()[1], flush=True)
sys.stdin.read()
"""


@pytest.mark.root("only root can enter another network namespace")
def test_sockets_of_another_network_namespace() -> None:
    with subprocess.Popen(
        ["unshare", "-n", "sh", "-c", 'ip link set lo up; exec "$0" -c "$1"', sys.executable, LISTENS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        found = look(process.pid)
        ours = os.stat("/proc/thread-self/ns/net").st_ino  # noqa: PTH116
        process.communicate(b"")

    assert [(one.port, one.limit) for one in found.listening] == [(port, 7)]
    assert found.states == {"listening": 1}
    assert ours == os.stat(f"/proc/{os.getpid()}/ns/net").st_ino  # noqa: PTH116


def test_a_process_that_is_gone() -> None:
    with subprocess.Popen(["true"]) as gone:
        pass
    with pytest.raises(OSError, match="No such file"):
        look(gone.pid)
