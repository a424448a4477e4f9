"""thread-creation-refused: by which limit, where that is known."""

from __future__ import annotations

from errno import EAGAIN

from gotrace.events.model import SyscallError
from tests.unit.rules.programs import PID, Program
from tests.unit.rules.recorded import finding, findings


def refused(syscall: str, flags: int = 0) -> Program:
    program = Program()
    program.events.append(
        SyscallError(ts_ns=2000, seq=2, pid=PID, tid=PID, syscall=syscall, errno=EAGAIN, args=(flags,))
    )
    return program


def test_threads_of_a_program_with_cgo() -> None:
    found = finding("too-many-threads")
    assert found.message.startswith("app got no more threads: the kernel refused one")
    assert found.confidence == 1.0


def test_the_limits_are_told_where_they_were_seen() -> None:
    program = refused("clone3")
    program.fact("confinement", limits={"nproc": [12, 12]}, pids_max=100, seen=True, pid=PID)
    assert program.finding("thread-creation-refused").message.endswith(
        "its user may have 12 threads in all (ulimit -u) and its control group 100 (pids.max)."
    )


def test_processes_are_no_threads() -> None:
    assert "got no more processes" in refused("clone", 17).finding("thread-creation-refused").message
    assert "got no more threads" in refused("clone", 0x10F00).finding("thread-creation-refused").message


def test_other_calls_say_eagain_as_well() -> None:
    assert refused("sendto").findings() == []


def test_a_higher_limit_does() -> None:
    assert findings("too-many-threads.fixed") == []
