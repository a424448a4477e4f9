"""Which address a socket was refused: both sources tell the same, and it is read as strace prints it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gotrace.events.model import SyscallError
from gotrace.events.recording import read_recording
from gotrace.events.strace import render
from gotrace.sources.base import Target
from gotrace.sources.ebpf.source import EbpfSource
from gotrace.sources.ptrace.source import PtraceSource
from tests.integration.both import observe_both
from tests.integration.conftest import GOTRACE
from tests.integration.observing import Observed, observe
from tests.integration.projects import go_module

NAMING = ("bind", "connect", "sendto")
SCRIPT = """
import contextlib, ctypes, socket
libc = ctypes.CDLL(None)
def refused(call, *arguments):
    with contextlib.suppress(OSError):
        call(*arguments)
six, four, unix = (socket.socket(family) for family in (socket.AF_INET6, socket.AF_INET, socket.AF_UNIX))
refused(six.bind, ("2001:db8::1", 18099))
refused(four.bind, ("203.0.113.1", 18099))
refused(four.connect, ("127.0.0.1", 1))
refused(unix.connect, "/nowhere/x.sock")
refused(unix.connect, "\\0no such name")
refused(unix.bind, "/nowhere/" + "y" * 98)
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
refused(datagrams.sendto, b"x", ("255.255.255.255", 9))
libc.connect(four.fileno(), ctypes.c_void_p(8), 16)
libc.connect(four.fileno(), b"\\x02", 1)
other = socket.socket()
libc.bind(other.fileno(), b"\\x02\\0\\x46\\xb3\\xcb\\0\\x71\\2" + bytes(200), 128)
libc.connect(four.fileno(), b"\\x02\\0\\0\\1\\x7f\\0\\0\\1" + bytes(8), -1)
"""
REFUSED = [
    ("bind", "EADDRNOTAVAIL", "[2001:db8::1]:18099"),
    ("bind", "EADDRNOTAVAIL", "203.0.113.1:18099"),
    ("connect", "ECONNREFUSED", "127.0.0.1:1"),
    ("connect", "ENOENT", "unix:/nowhere/x.sock"),
    ("connect", "ECONNREFUSED", "unix:@no such name"),
    ("bind", "ENOENT", "unix:/nowhere/" + "y" * 98),
    ("connect", "EFAULT", ""),
    ("connect", "EINVAL", ""),
    ("bind", "EADDRNOTAVAIL", "203.0.113.2:18099"),
    ("connect", "EINVAL", "127.0.0.1:1"),
]
"""Without sendto, which is too frequent for a stop."""


def of_sockets(seen: Observed) -> list[tuple[str, str, str]]:
    """Calls that name an address: the call, the error, and the address."""
    failed = [event for event in seen.events if isinstance(event, SyscallError) and event.syscall in NAMING]
    return [(event.syscall, render(event).partition(" = -1 ")[2].split()[0], event.address) for event in failed]


@pytest.mark.root("eBPF needs root here: both observe from one process")
@pytest.mark.parametrize("loop", ["python", "compiled"])
def test_both_sources_tell_the_same(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOTRACE_PTRACE_LOOP", loop)
    both = observe_both([sys.executable, "-c", SCRIPT], running=True)
    assert of_sockets(both.ptrace) == REFUSED
    by_ebpf = of_sockets(both.ebpf)
    assert ("sendto", "EACCES", "255.255.255.255:9") in by_ebpf
    assert [one for one in by_ebpf if one[0] != "sendto"] == REFUSED


@pytest.mark.parametrize("source", [EbpfSource, PtraceSource])
def test_a_build_is_not_asked_for_them(source: type[EbpfSource | PtraceSource]) -> None:
    seen = observe([sys.executable, "-c", SCRIPT], source=source(), target=Target(1))
    assert {address for _, _, address in of_sockets(seen)} <= {""}


SERVER = """package main

import (
	"fmt"
	"net"
	"os"
)

func main() {
	_, err := net.Listen("tcp", os.Args[1])
	fmt.Fprintln(os.Stderr, "serve:", err)
	os.Exit(3)
}
"""


DIAL = """package main

import (
	"fmt"
	"net"
	"os"
)

func main() {
	_, err := net.Dial("tcp", os.Args[1])
	fmt.Fprintln(os.Stderr, "dial:", err)
	os.Exit(3)
}
"""
Run = Callable[[str, str], tuple[str, SyscallError]]


@pytest.fixture
def run(tmp_path: Path, tool: Callable[[str], str], privileges: tuple[str, ...], backend: str) -> Run:
    """Runs a program of Go with an argument: what is said of it, and its failing call that names an address."""

    def told(text: str, argument: str) -> tuple[str, SyscallError]:
        made = go_module(tmp_path / "program", {"main.go": text})
        env = os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "", "GOTOOLCHAIN": "local"}
        subprocess.run([tool("go"), "build", "-o", "app", "."], cwd=made, env=env, check=True)
        recording = tmp_path / "recording.gotrace"
        as_asked = ["--backend", backend, *(privileges if backend == "ebpf" else ())]
        done = subprocess.run(
            [GOTRACE, "run", "--no-color", *as_asked, "-o", recording, "--", made / "app", argument],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env=os.environ | {"COLUMNS": "300"},
        )
        assert done.returncode == 3, done.stderr
        failed = [event for event in read_recording(recording).events if isinstance(event, SyscallError)]
        (call,) = [event for event in failed if event.syscall in NAMING]
        return done.stderr, call

    return told


def test_a_port_that_is_taken(run: Run) -> None:
    with socket.create_server(("::", 0), family=socket.AF_INET6) as taken:
        port = taken.getsockname()[1]
        said, bind = run(SERVER, f":{port}")
    assert bind.address == f"[::]:{port}"
    line = f'{{sa_family=AF_INET6, sin6_port=htons({port}), sin6_addr="::"}}, 28) = -1 EADDRINUSE'
    assert line in render(bind)
    assert line in said


def test_a_connection_that_is_refused(run: Run) -> None:
    said, connect = run(DIAL, "127.0.0.1:1")
    assert (connect.address, connect.in_progress) == ("127.0.0.1:1", True)
    line = '{sa_family=AF_INET, sin_port=htons(1), sin_addr=inet_addr("127.0.0.1")}, 16) = -1 ECONNREFUSED'
    assert line in render(connect)
    assert line in said
    assert "connect: connection refused" in said.partition("failing calls")[2]


LATER = """
import contextlib, errno, select, socket
def asked(address, ask=True):
    begun = socket.socket()
    begun.setblocking(False)
    begun.connect_ex(address)
    select.select([], [begun], [], 5)
    return begun.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if ask else begun
listening = socket.create_server(("127.0.0.1", 0))
assert asked(("127.0.0.1", 1)) == errno.ECONNREFUSED
assert asked(listening.getsockname()) == 0
assert asked(("127.0.0.1", 2)) == errno.ECONNREFUSED
unasked = asked(("127.0.0.1", 3), ask=False)
assert unasked.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_STREAM
assert listening.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
"""


@pytest.mark.root("eBPF needs root here: both observe from one process")
@pytest.mark.parametrize("loop", ["python", "compiled"])
def test_a_connect_whose_error_comes_later(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOTRACE_PTRACE_LOOP", loop)
    both = observe_both([sys.executable, "-c", LATER], running=True)
    assert both.ptrace.wait_status == 0
    for seen in (both.ebpf, both.ptrace):
        assert of_sockets(seen) == [
            ("connect", "ECONNREFUSED", "127.0.0.1:1"),
            ("connect", "ECONNREFUSED", "127.0.0.1:2"),
        ]
        assert all(event.in_progress and event.stack[0].ip == event.ip for event in seen.errors("connect"))
    first, second = (
        [(one.args, one.ip, one.stack) for one in seen.errors("connect")] for seen in (both.ebpf, both.ptrace)
    )
    assert first == second
