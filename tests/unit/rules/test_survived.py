"""Whether a program ended by a call that was refused, or went on: by time, by what it did and said afterwards."""

from __future__ import annotations

from errno import EACCES, EADDRINUSE, ECONNREFUSED, ENOENT, EPERM
from signal import SIGINT, SIGKILL, SIGSEGV

import pytest

from gotrace.events.model import Dlopen, Exec, Exit, Fork, Frame, Output, Signal, SyscallError
from tests.unit.rules.programs import PID, Program

NAME = "missing-capability"
MS = 1_000_000
CHILD = 8


def refused_a_port() -> Program:
    """A program without capabilities that may not have a port."""
    program = Program()
    program.fact("confinement", capabilities="0000000000000000", seen=True, pid=PID)
    program.events.append(SyscallError(**program._common(), syscall="bind", errno=EACCES, args=(3, 0, 16)))
    return program


def fails(program: Program, syscall: str, errno: int, *paths: str, tid: int = PID) -> None:
    common = program._common() | {"tid": tid}
    program.events.append(SyscallError(**common, syscall=syscall, errno=errno, paths=paths))


def waits(program: Program, milliseconds: int) -> None:
    program._now += milliseconds * MS


def blamed(program: Program, status: int | None = 1, signal: int | None = None) -> list[str]:
    return [found.name for found in program.findings(status, signal)]


def test_who_ends_at_once_ended_by_it() -> None:
    program = refused_a_port()
    waits(program, 20)
    assert blamed(program) == [NAME]
    assert "and it gave up: " in program.finding(NAME).message


@pytest.mark.parametrize("milliseconds", [200, 300, 900])
def test_who_lives_on_found_another_way(milliseconds: int) -> None:
    program = refused_a_port()
    waits(program, milliseconds)
    assert blamed(program) == []


def test_who_says_it_in_the_end_had_tried_again_before() -> None:
    program = refused_a_port()
    waits(program, 500)
    program.says("listen tcp :80: bind: permission denied")
    assert blamed(program) == [NAME]


def test_who_says_it_and_lives_on_only_told_of_it() -> None:
    program = refused_a_port()
    program.says("listen tcp :80: bind: permission denied, taking another port")
    waits(program, 300)
    assert blamed(program) == []


def test_the_last_of_several_attempts_counts() -> None:
    program = refused_a_port()
    for _ in range(4):
        waits(program, 1000)
        fails(program, "bind", EACCES)
    (found,) = program.findings()
    assert any(one.text.startswith("bind(3, ") for one in found.evidence)


@pytest.mark.parametrize(
    ("syscall", "errno", "paths"),
    [
        ("openat", ENOENT, ("/etc/app.conf",)),
        ("connect", ECONNREFUSED, ()),
        ("bind", EADDRINUSE, ()),
    ],
)
def test_who_wants_something_else_afterwards_ended_by_that(syscall: str, errno: int, paths: tuple[str, ...]) -> None:
    program = refused_a_port()
    fails(program, syscall, errno, *paths)
    assert blamed(program) == []


def test_what_is_looked_for_in_several_places_or_cleaned_up_is_no_cause() -> None:
    program = refused_a_port()
    fails(program, "openat", ENOENT, "/usr/share/app/messages.mo")
    fails(program, "openat", ENOENT, "/usr/local/share/app/messages.mo")
    assert blamed(program) == [NAME]
    fails(program, "unlink", ENOENT, "/run/app.pid")
    assert blamed(program) == [NAME]


def test_the_same_file_looked_for_elsewhere_is_no_other_one() -> None:
    program = Program()
    program.misses("/srv/libx.so", errno=EACCES)
    program.fact("permission", "/srv/libx.so", syscall="openat", wanted="read", allowed="everybody", files=["/x"])
    program.fact("security_modules", active=["landlock"])
    program.misses("/usr/lib/libx.so")
    program.says("app: libx.so: cannot open shared object file: No such file or directory")
    assert "refused-by-security-module" in blamed(program)


def test_what_another_thread_looks_for_says_nothing() -> None:
    program = refused_a_port()
    fails(program, "openat", ENOENT, "/etc/app.conf", tid=PID + 1)
    assert blamed(program) == [NAME]


def test_who_starts_another_program_went_on() -> None:
    program = refused_a_port()
    program.events.append(Fork(**program._common(), child_pid=CHILD))
    program.events.append(Exec(ts_ns=program._now + 1, pid=CHILD, path="/bin/true", argv=("true",)))
    program.events.append(Exit(ts_ns=program._now + 2, pid=CHILD, status=0))
    assert blamed(program) == []


def test_who_opens_a_library_went_on() -> None:
    program = refused_a_port()
    caller = Frame(ip=1, module="/srv/app", origin="c")
    began_ns = program._now + 1
    program.events.append(
        Dlopen(**program._common(), filename="libx.so", flags=2, handle=4096, began_ns=began_ns, caller=caller)
    )
    assert blamed(program) == []


def test_who_says_what_another_error_means_ended_by_that() -> None:
    program = refused_a_port()
    program.says("dial tcp 10.0.0.1:5432: connect: connection refused")
    assert blamed(program) == []


@pytest.mark.parametrize("signal", [SIGINT, SIGKILL])
def test_who_is_ended_by_others_did_not_give_up(signal: int) -> None:
    assert blamed(refused_a_port(), None, signal) == []


@pytest.mark.parametrize(("milliseconds", "names"), [(1, [NAME]), (400, [])])
def test_a_crash_right_after_the_call_comes_of_it(milliseconds: int, names: list[str]) -> None:
    program = refused_a_port()
    waits(program, milliseconds)
    program.events.append(Signal(**program._common(), signal=SIGSEGV, code=1, access="read"))
    assert blamed(program, None, SIGSEGV) == names


def test_words_of_the_runtime_are_about_what_failed_right_before() -> None:
    program = Program()
    program.fact("confinement", capabilities="0000000000000000", seen=True, pid=PID)
    fails(program, "mount", EPERM)
    waits(program, 5000)
    program.events.append(
        Output(**program._common(), text="runtime/cgo: pthread_create failed: Operation not permitted\n")
    )
    assert blamed(program) == []
