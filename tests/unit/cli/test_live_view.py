"""The live view: what it draws, on a terminal that is a text here; and when there is one at all."""

from __future__ import annotations

import io
import os
import pty
import socket
import termios
import time

import pytest

from gotrace.cli import screen
from gotrace.cli.live_view import LiveView
from gotrace.cli.showing import watching
from gotrace.cli.watching import Watching
from gotrace.events.model import Dlopen, Library, SyscallError


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    for name, value in {"TERM": "xterm", "COLUMNS": "100", "LINES": "30"}.items():
        monkeypatch.setenv(name, value)
    return Terminal()


def test_it_shows_what_happens_and_is_gone_afterwards(drawn: Terminal) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, LiveView(os.getpid(), drawn, colour=False) as view:
        view.begin()
        view.live([Library(ts_ns=1, pid=7, path="/lib/libssl.so.3", base=1, size=1)])
        view.live([Dlopen(ts_ns=1, pid=7, filename="libnone.so", flags=2, handle=0)])
        evil = SyscallError(ts_ns=1, pid=7, syscall="openat", errno=13, paths=("/secret\x1b[2J",))
        view.failing([evil])
        port = str(listening.getsockname()[1])
        deadline = time.monotonic() + 60
        while port not in drawn.getvalue():
            assert time.monotonic() < deadline, drawn.getvalue()
            view.tick(0)
            time.sleep(0.05)
        shown = drawn.getvalue()
    assert f"gotrace: process {os.getpid()} (" in shown
    assert "libssl.so.3" in shown
    assert "dlopen libnone.so: failed" in shown
    assert "openat EACCES /secret" in shown
    assert "\x1b[2J" not in shown
    assert f"127.0.0.1:{port}: 0 of " in shown
    assert "listening" in shown
    assert "\x1b[2K" in drawn.getvalue().removeprefix(shown)  # EL: the lines are erased


def test_there_is_one_on_a_terminal_that_is_large_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen, "size_of", lambda _fd, **_least: os.terminal_size((80, 24)))
    assert isinstance(watching(1, quiet=False, environ={"TERM": "xterm"}), LiveView)
    for environ in ({"TERM": "dumb"}, {}, {"TERM": "xterm", "CI": "true"}):
        assert type(watching(1, quiet=False, environ=environ)) is Watching
    assert type(watching(1, quiet=False, interval=5.0, environ={"TERM": "xterm"})) is Watching
    assert watching(1, quiet=True, environ={"TERM": "xterm"}) is None


def test_a_terminal_too_small_counts_for_none() -> None:
    ours, theirs = pty.openpty()
    try:
        assert screen.size_of(theirs, rows=1, columns=1) is None  # it has no size yet
        termios.tcsetwinsize(theirs, (24, 80))
        assert screen.size_of(theirs, rows=24, columns=80) == (80, 24)
        assert screen.size_of(theirs, rows=25, columns=80) is None
        assert screen.size_of(theirs, rows=24, columns=81) is None
    finally:
        os.close(ours)
        os.close(theirs)


def test_lines_come_at_the_interval(capsys: pytest.CaptureFixture[str]) -> None:
    now = 100.0
    plain = Watching(os.getpid(), interval=2.0, clock=lambda: now)
    plain.begin()
    for _ in range(80):
        now += 0.125
        plain.tick(0)

    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith(f"gotrace: attached to process {os.getpid()} (")
    assert [line.partition(": ")[2].partition(":")[0] for line in lines[1:]] == ["2 s", "4 s", "6 s", "8 s", "10 s"]
