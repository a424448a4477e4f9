"""Signals and job control, on real terminals with a real shell, as they would be without us in between."""

from __future__ import annotations

import os
import pty
import re
import select
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gotrace.capture.procstat import state

DRIVER = [
    sys.executable,
    "-c",
    """
import os, sys
from gotrace.capture.tracee import Tracee
with Tracee.launch(sys.argv[1:], env=dict(os.environ)) as tracee:
    print("pid", tracee.pid, flush=True)
    tracee.release()
    while (status := tracee.poll(0.02)) is None:
        pass
print("ended", status.exit, status.signal, flush=True)
""",
]
"""A program like gotrace, that says how its command ended."""

COUNTER = [
    sys.executable,
    "-c",
    """
import signal, sys, time
counts = {}
def count(number, frame):
    counts[number] = counts.get(number, 0) + 1
for name in sys.argv[1:]:
    signal.signal(getattr(signal, name), count)
print("ready", flush=True)
until = None
while until is None or time.monotonic() < until:
    time.sleep(0.01)
    if counts and until is None:
        until = time.monotonic() + 0.3
print("counted", sorted(counts.items()), flush=True)
""",
]
"""Counts the signals it gets, and tells them a moment after the first."""


class Terminal:
    """The other side of a pseudo-terminal."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.seen = ""

    def type(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def expect(self, pattern: str) -> re.Match[str]:
        """Read until the pattern has come; what was matched is not seen again."""
        while not (found := re.search(pattern, self.seen)):
            ready, _, _ = select.select([self.fd], [], [], 30)
            assert ready, f"{pattern!r} never came, only {self.seen!r}"
            try:
                self.seen += os.read(self.fd, 4096).decode()
            except OSError:
                raise AssertionError(f"{pattern!r} never came, only {self.seen!r}") from None
        self.seen = self.seen[found.end() :]
        return found


@contextmanager
def in_terminal(argv: list[str]) -> Iterator[Terminal]:
    """Run a program as leader of a session with a terminal of its own."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execvp(argv[0], argv)
    try:
        yield Terminal(fd)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(fd)


@contextmanager
def in_a_shell(command: list[str]) -> Iterator[Terminal]:
    """An interactive shell, with job control, in which the command has been started in the foreground."""
    with in_terminal(["bash", "--norc", "--noprofile", "--noediting", "-i"]) as terminal:
        terminal.type("stty -echo; PS1='prompt''> '\n")  # what is typed is not echoed, so all that comes was said
        terminal.expect("prompt> ")
        terminal.type(shlex.join(command) + "\n")
        yield terminal


def recorder(command: list[str]) -> subprocess.Popen[str]:
    started = subprocess.Popen([*DRIVER, *command], stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert started.stdout is not None
    return started


def line(process: subprocess.Popen[str], start: str) -> str:
    """The next line of its output that begins like that."""
    assert process.stdout is not None
    for text in process.stdout:
        if text.startswith(start):
            return text.strip()
    raise AssertionError(f"no line {start!r}")


@pytest.mark.parametrize(("key", "name"), [("\x03", "SIGINT"), ("\x1c", "SIGQUIT")])
def test_a_key_of_the_terminal_reaches_the_command_once_and_we_survive(key: str, name: str) -> None:
    with in_terminal([*DRIVER, *COUNTER, name]) as terminal:
        terminal.expect("ready")
        terminal.type(key)
        number = int(getattr(signal, name))
        terminal.expect(re.escape(f"counted [(<Signals.{name}: {number}>, 1)]") + "|" + re.escape(f"[({number}, 1)]"))
        terminal.expect("ended 0 None")


def test_the_terminals_interrupt_ends_a_command_that_does_not_handle_it() -> None:
    with in_terminal([*DRIVER, "sh", "-c", "echo ready; exec sleep 60"]) as terminal:
        terminal.expect("ready")
        terminal.type("\x03")
        terminal.expect("ended None 2")


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGINT", "SIGQUIT"])
def test_what_somebody_sends_to_us_alone_is_passed_on_once(name: str) -> None:
    with recorder([*COUNTER, name]) as process:
        line(process, "ready")
        process.send_signal(getattr(signal, name))
        assert line(process, "counted").endswith(f"[({int(getattr(signal, name))}, 1)]")
        assert line(process, "ended") == "ended 0 None"


def test_what_the_command_itself_sends_to_its_parent_does_not_come_back_to_it() -> None:
    with recorder(["sh", "-c", "kill -USR1 $PPID; sleep 0.2; exit 5"]) as process:
        assert line(process, "ended") == "ended 5 None"


def test_a_stop_and_foreground_in_the_shell_are_those_of_an_untraced_job() -> None:
    with in_a_shell([*DRIVER, "sh", "-c", "echo here; read line; echo got $line; exit 7"]) as terminal:
        pid = int(terminal.expect(r"pid (\d+)")[1])
        terminal.expect("here")
        terminal.type("\x1a")
        terminal.expect("Stopped")
        terminal.expect("prompt> ")
        assert state(pid) == "T"
        terminal.type("jobs\n")
        terminal.expect("Stopped")
        terminal.type("fg\n")
        terminal.type("words\n")
        terminal.expect("got words")
        terminal.expect("ended 7 None")
        terminal.expect("prompt> ")


def test_a_job_can_be_stopped_twice_and_go_on_in_the_background() -> None:
    # exec: a shell that forks by vfork(2) cannot be stopped while its child is stopped before it execs, by anybody.
    with in_a_shell([*DRIVER, "sh", "-c", "echo here; exec sleep 3"]) as terminal:
        terminal.expect("here")
        terminal.type("\x1a")
        terminal.expect("Stopped")
        terminal.type("fg\n")
        time.sleep(0.1)
        terminal.type("\x1a")
        terminal.expect("Stopped")
        terminal.type("bg\n")
        terminal.expect("ended 0 None")


def test_a_background_job_that_reads_the_terminal_is_stopped_as_a_job() -> None:
    with in_a_shell(["true"]) as terminal:
        terminal.expect("prompt> ")
        terminal.type(shlex.join([*DRIVER, "sh", "-c", "read line; exit 4"]) + " &\n")
        terminal.expect("pid")
        terminal.type("sleep 0.3; jobs\n")
        terminal.expect("Stopped")
        terminal.type("fg\n\n")
        terminal.expect("ended 4 None")


def test_a_command_that_ignores_the_stop_is_not_stopped_and_neither_are_we() -> None:
    with in_a_shell([*DRIVER, "sh", "-c", "trap '' TSTP; echo here; read line; exit 6"]) as terminal:
        terminal.expect("here")
        terminal.type("\x1a")
        terminal.type("\n")
        terminal.expect("ended 6 None")


def test_we_go_on_with_a_command_that_was_stopped_and_continued_by_pid() -> None:
    with recorder(["sh", "-c", "echo ready; sleep 0.2; exit 9"]) as process:
        pid = int(line(process, "pid").split()[1])
        os.kill(pid, signal.SIGSTOP)
        while state(process.pid) != "T":
            time.sleep(0.01)
        os.kill(pid, signal.SIGCONT)
        assert line(process, "ended") == "ended 9 None"


def test_continuing_us_continues_the_command() -> None:
    with recorder(["sh", "-c", "sleep 0.2; exit 9"]) as process:
        pid = int(line(process, "pid").split()[1])
        os.kill(pid, signal.SIGSTOP)
        while state(process.pid) != "T":
            time.sleep(0.01)
        process.send_signal(signal.SIGCONT)
        assert line(process, "ended") == "ended 9 None"


def test_a_recorder_killed_while_stopped_leaves_no_process_but_the_command() -> None:
    with recorder(["sleep", "60"]) as process:
        pid = int(line(process, "pid").split()[1])
        os.kill(pid, signal.SIGSTOP)
        while state(process.pid) != "T":
            time.sleep(0.01)
        others = [child for child in children(process.pid) if child != pid]
        assert len(others) == 2, "the witness, and what continues the recorder when the command goes on"
        process.kill()
        process.wait()
        while any(state(one) not in ("", "Z") for one in others):
            time.sleep(0.01)
        os.kill(pid, signal.SIGKILL)


def children(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children") as stream:  # noqa: PTH123
        return [int(word) for word in stream.read().split()]
