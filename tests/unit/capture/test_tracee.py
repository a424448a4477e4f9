"""The command behind the gate: what it inherits, how it ends, and what it cannot tell from an untraced start."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gotrace.capture.procstat import state
from gotrace.capture.tracee import Status, Tracee
from gotrace.errors import CaptureError, CommandError, UsageError

ENV = {"PATH": "/usr/bin:/bin"}


def run(
    *argv: str, env: dict[str, str] = ENV, cwd: str | None = None, hook: Callable[[], None] = lambda: None
) -> Status:
    with Tracee.launch(argv, env=env, cwd=cwd, hook=hook) as tracee:
        tracee.release()
        return end_of(tracee)


def end_of(tracee: Tracee) -> Status:
    while (status := tracee.poll(0.02)) is None:
        pass
    return status


def told_by(script: str, **options: Any) -> str:
    """What a shell script writes into a pipe that the command inherits."""
    read_end, write_end = os.pipe()
    os.set_inheritable(write_end, True)
    try:
        status = run("sh", "-c", f"({script}) >/dev/fd/{write_end}", **options)
    finally:
        os.close(write_end)
    with os.fdopen(read_end) as stream:
        assert status == Status(0, None)
        return stream.read()


def test_every_exit_code_is_the_commands_own() -> None:
    assert [run("sh", "-c", f"exit {code}").exit for code in range(256)] == list(range(256))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGPIPE, signal.SIGHUP])
def test_a_signal_that_killed_it_is_told(number: signal.Signals) -> None:
    assert run("sh", "-c", f"kill -{int(number)} $$") == Status(None, number)


def test_poll_gives_none_while_it_runs() -> None:
    with Tracee.launch(["sleep", "60"], env=ENV) as tracee:
        tracee.release()
        assert tracee.poll(0.05) is None
        tracee.send(signal.SIGKILL)
        assert end_of(tracee) == Status(None, signal.SIGKILL)
        assert tracee.poll(0) == Status(None, signal.SIGKILL)


def test_nothing_runs_before_the_gate_opens(tmp_path: Path) -> None:
    made = tmp_path / "made"
    with Tracee.launch(["touch", str(made)], env=ENV):
        time.sleep(0.05)
        assert not made.exists()
    assert not made.exists()


def test_leaving_before_the_release_leaves_no_child() -> None:
    with Tracee.launch(["true"], env=ENV) as tracee:
        pass
    assert state(tracee.pid) == ""


def test_the_hook_runs_in_the_child_before_the_command() -> None:
    read_end, write_end = os.pipe()

    def hook() -> None:
        os.write(write_end, str(os.getpid()).encode())

    assert run("true", hook=hook) == Status(0, None)
    os.close(write_end)
    with os.fdopen(read_end) as stream:
        assert int(stream.read()) not in (0, os.getpid())


def test_a_hook_that_fails_is_a_failed_capture() -> None:
    def refused() -> None:
        raise PermissionError(1, "refused")

    with pytest.raises(CaptureError, match=r"could not present itself.*not permitted"):
        run("true", hook=refused)


def test_release_returns_when_the_command_has_begun() -> None:
    with Tracee.launch(["sleep", "60"], env=ENV) as tracee:
        tracee.release()
        assert Path(f"/proc/{tracee.pid}/comm").read_text() == "sleep\n"
        tracee.send(signal.SIGKILL)
        end_of(tracee)


def test_it_runs_in_the_folder_asked_for_and_with_the_environment_asked_for() -> None:
    assert told_by('pwd; echo "$A"', cwd="/usr", env={**ENV, "A": "b c"}) == "/usr\nb c\n"


def test_it_stays_in_our_process_group_and_session() -> None:
    group, session = told_by("cut -d' ' -f5,6 /proc/self/stat").split()
    assert (int(group), int(session)) == (os.getpgrp(), os.getsid(0))


def test_descriptors_of_ours_do_not_leak_and_those_of_the_caller_stay() -> None:
    read_end, write_end = os.pipe()
    os.set_inheritable(write_end, True)
    with Tracee.launch(["sleep", "60"], env=ENV) as tracee:
        tracee.release()
        open_there = Path(f"/proc/{tracee.pid}/fd")
        wait_until(lambda: {path.name for path in open_there.iterdir()} == inherited())  # execve closes one by one
        tracee.send(signal.SIGKILL)
        end_of(tracee)
    assert str(write_end) in inherited()
    os.close(read_end)
    os.close(write_end)


def inherited() -> set[str]:
    """Descriptors of this test process that any command would inherit."""
    every = [int(path.name) for path in Path("/proc/self/fd").iterdir()]
    return {str(one) for one in every if is_open(one) and os.get_inheritable(one)}


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def signals_of_the_child(name: str) -> int:
    """A set of signals in /proc/PID/status of a command that no shell has touched."""
    with Tracee.launch(["sleep", "60"], env=ENV) as tracee:
        tracee.release()
        lines = Path(f"/proc/{tracee.pid}/status").read_text().splitlines()
        tracee.send(signal.SIGKILL)
        end_of(tracee)
    return int(next(line for line in lines if line.startswith(name)).split()[1], 16)


def bit(number: int) -> int:
    return 1 << (number - 1)


def test_signals_that_python_ignores_are_the_default_again() -> None:
    assert signal.getsignal(signal.SIGPIPE) is signal.SIG_IGN
    assert signals_of_the_child("SigIgn") & (bit(signal.SIGPIPE) | bit(signal.SIGXFSZ)) == 0


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGCHLD])
def test_signals_that_the_caller_ignored_stay_ignored(number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_IGN)
    try:
        assert signals_of_the_child("SigIgn") & bit(number)
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_the_signal_mask_is_the_callers() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    try:
        assert signals_of_the_child("SigBlk") == bit(signal.SIGUSR2)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert signals_of_the_child("SigBlk") == 0


def test_our_handlers_and_mask_are_as_before_afterwards() -> None:
    def picture() -> tuple[object, ...]:
        return tuple(signal.getsignal(one) for one in signal.Signals), signal.pthread_sigmask(signal.SIG_BLOCK, ())

    before = picture()
    run("true")
    assert picture() == before


def test_it_works_outside_the_main_thread() -> None:
    found: list[Status] = []
    thread = threading.Thread(target=lambda: found.append(run("sh", "-c", "exit 5")))
    thread.start()
    thread.join()
    assert found == [Status(5, None)]


def test_no_command_at_all() -> None:
    with pytest.raises(UsageError, match="no command"):
        Tracee.launch([], env=ENV)


def test_a_nul_byte_in_an_argument() -> None:
    with pytest.raises(UsageError, match="NUL"):
        Tracee.launch(["echo", "a\0b"], env=ENV)


def test_what_only_the_kernel_can_refuse_is_told_after_the_release() -> None:
    with pytest.raises(CommandError, match="too long") as refused:
        run("true", "x" * (4 << 20))
    assert refused.value.exit_code == 126


def test_standard_input_is_the_commands() -> None:
    done = subprocess.run([*DRIVER, "cat"], input=b"hello", capture_output=True, check=True)
    assert done.stdout == b"hello"


DRIVER = [
    sys.executable,
    "-c",
    """
import os, sys
from gotrace.capture.tracee import Tracee, die_like
with Tracee.launch(sys.argv[1:], env=dict(os.environ)) as tracee:
    tracee.release()
    while (status := tracee.poll(0.02)) is None:
        pass
sys.exit(die_like(status))
""",
]
"""A program like gotrace: it runs the command and ends as that ends."""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGINT, signal.SIGQUIT])
def test_it_dies_of_the_signal_that_killed_the_command(number: signal.Signals, tmp_path: Path) -> None:
    done = subprocess.run([*DRIVER, "sh", "-c", f"ulimit -c 0; kill -{int(number)} $$"], cwd=tmp_path, check=False)
    assert done.returncode == -number
    assert list(tmp_path.iterdir()) == []


def test_a_recorder_killed_at_the_gate_leaves_no_child() -> None:
    program = """
import os
from gotrace.capture.tracee import Tracee
print(Tracee.launch(["touch", "made"], env=dict(os.environ)).pid, flush=True)
os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    wait_until(lambda: state(int(done.stdout)) in ("", "Z"))
    assert not Path("made").exists()


def test_a_recorder_killed_later_lets_the_command_finish(tmp_path: Path) -> None:
    script = "echo ready; read line <fifo; echo finished >out"
    os.mkfifo(tmp_path / "fifo")
    with subprocess.Popen([*DRIVER, "sh", "-c", script], cwd=tmp_path, stdout=subprocess.PIPE) as recorder:
        assert recorder.stdout is not None
        assert recorder.stdout.readline() == b"ready\n"
        recorder.kill()
        recorder.wait()
        (tmp_path / "fifo").write_text("go on\n")
        wait_until(lambda: (tmp_path / "out").exists() and (tmp_path / "out").read_text() == "finished\n")


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for what must come; a failure is a hang that the runner's own limit ends."""
    while not condition():
        time.sleep(0.01)
