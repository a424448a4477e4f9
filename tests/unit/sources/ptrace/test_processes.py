"""What /proc says of processes, asked of real ones; and which threads belong to which."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gotrace.sources.ptrace import processes
from gotrace.sources.ptrace.processes import (
    Processes,
    disposition,
    folders,
    innermost_pid,
    is_process,
    lost_privilege,
    parent_of,
    writes_to_terminal,
)
from gotrace.sources.ptrace.records import HERE

NOBODY = 1 << 22
"""No process has this id."""


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a folder of its own, with its stdout in a file."""
    (tmp_path / "folder").mkdir()
    with (tmp_path / "out").open("wb") as out:
        process = subprocess.Popen(["/bin/sleep", "600"], cwd=tmp_path / "folder", stdout=out)
    yield process
    process.kill()
    process.wait()


def test_parents_and_namespaces(sleeper: subprocess.Popen[bytes]) -> None:
    assert parent_of(sleeper.pid) == os.getpid()
    assert innermost_pid(sleeper.pid) == sleeper.pid
    assert (parent_of(NOBODY), innermost_pid(NOBODY)) == (0, NOBODY)


def test_what_becomes_of_a_signal() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGBUS, signal.SIGSYS, signal.SIGFPE)}
    signal.signal(signal.SIGBUS, lambda *_: None)
    signal.signal(signal.SIGSYS, signal.SIG_IGN)
    signal.signal(signal.SIGFPE, signal.SIG_DFL)
    try:
        found = [disposition(os.getpid(), number) for number in before]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert found == [(True, False), (False, True), (False, False)]
    assert disposition(NOBODY, signal.SIGBUS) == (False, False)


def test_a_thread_is_no_process(sleeper: subprocess.Popen[bytes]) -> None:
    tids: list[int] = []
    begun, over = threading.Event(), threading.Event()

    def live() -> None:
        tids.append(threading.get_native_id())
        begun.set()
        over.wait()

    thread = threading.Thread(target=live)
    thread.start()
    begun.wait()
    try:
        assert is_process(sleeper.pid)
        assert is_process(os.getpid())
        assert not is_process(tids[0])
        assert not is_process(NOBODY)
    finally:
        over.set()
        thread.join()


def test_a_dead_process_that_nobody_waited_for_is_still_one() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert is_process(child)
    assert parent_of(child) == os.getpid()
    os.waitpid(child, 0)
    assert not is_process(child)


def test_the_working_directory(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    assert folders(sleeper.pid)[0] == os.fsencode(folder)
    renamed = folder.rename(tmp_path / "folder (deleted)")
    assert folders(sleeper.pid)[0] == os.fsencode(renamed)
    renamed.rename(folder)
    folder.rmdir()
    assert folders(sleeper.pid)[0] == os.fsencode(folder)
    assert folders(NOBODY) == (None, HERE)


def test_descriptors_that_are_terminals(sleeper: subprocess.Popen[bytes]) -> None:
    ours, terminal = os.openpty()
    try:
        assert writes_to_terminal(os.getpid(), terminal)
    finally:
        os.close(ours)
        os.close(terminal)
    assert not writes_to_terminal(sleeper.pid, 1)
    assert not writes_to_terminal(sleeper.pid, 99)
    assert not writes_to_terminal(NOBODY, 1)
    with Path(os.devnull).open("wb") as null:
        assert not writes_to_terminal(os.getpid(), null.fileno())


def test_who_runs_a_common_program_lost_nothing(sleeper: subprocess.Popen[bytes]) -> None:
    assert not lost_privilege(sleeper.pid)
    assert not lost_privilege(NOBODY)


@pytest.mark.parametrize("mode", [0o4755, 0o2755])
def test_a_program_that_lost_its_privilege(mode: int) -> None:
    """With no_new_privs, as under an ordinary user's tracer, and without."""
    program = Path("/var/tmp") / f"gotrace-test-{os.getpid()}-sleep"
    shutil.copy("/bin/sleep", program)
    try:
        if os.geteuid() != 0:
            pytest.skip("a program of another user needs root")
        os.chown(program, 65534, 65534)
        program.chmod(mode)
        for words, lost in ((["setpriv", "--no-new-privs"], True), ([], False)):
            process = subprocess.Popen([*words, str(program), "600"])
            try:
                while os.readlink(f"/proc/{process.pid}/exe") != str(program):  # noqa: PTH115
                    assert process.poll() is None
                assert lost_privilege(process.pid) is lost
            finally:
                process.kill()
                process.wait()
    finally:
        program.unlink()


def test_a_thread_belongs_to_its_process_until_that_is_gone() -> None:
    known = Processes()
    process = known.add(NOBODY)
    known.add_thread(NOBODY + 1, process)
    assert known.of(NOBODY + 1) is process
    assert process.who(NOBODY + 1).tid == NOBODY + 1
    assert known.remove(NOBODY + 1) is None
    assert NOBODY + 1 not in known
    assert known.remove(NOBODY) is process
    assert NOBODY not in known
    assert known.remove(NOBODY) is None


def test_memory_is_opened_anew_after_an_exec() -> None:
    process = processes.Process(os.getpid())
    first = process.memory
    assert process.memory is first
    process.forget_memory()
    assert process.memory is not first
    process.forget_memory()


def test_only_so_many_memories_are_open_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def open_memories() -> int:
        names = [os.readlink(entry.path) for entry in os.scandir("/proc/self/fd") if entry.is_symlink()]  # noqa: PTH115
        return sum(name.endswith("/mem") for name in names)

    monkeypatch.setattr(processes, "_most_open", lambda: 2)
    monkeypatch.setattr(processes, "_open", {})
    before = open_memories()
    several = [processes.Process(os.getpid()) for _ in range(5)]
    for process in several:
        assert process.memory.read(id(process), 1) != b""
    assert open_memories() == before + 2
    for process in several:
        process.forget_memory()
    assert open_memories() == before
