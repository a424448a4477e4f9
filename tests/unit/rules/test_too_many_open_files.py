"""too-many-open-files: Go has raised the soft limit already, so that the hard one counts."""

from __future__ import annotations

from errno import EMFILE, ENFILE
from signal import SIGINT, SIGTERM

import pytest

from gotrace.events.facets import Facet
from gotrace.events.model import Output, SyscallError
from gotrace.events.recording import Header
from gotrace.rules.engine import diagnose
from gotrace.rules.finding import Severity
from gotrace.trace.builder import build
from tests.unit.rules.programs import PID, Program
from tests.unit.rules.recorded import finding, findings, ways_out


def opens_too_much(errno: int) -> Program:
    program = Program()
    program.events.append(SyscallError(ts_ns=2000, seq=2, pid=PID, tid=PID, syscall="openat", errno=errno))
    return program


def test_of_a_go_program_the_hard_limit_is_to_be_raised() -> None:
    found = finding("too-many-open-files")
    assert found.message.startswith("app has as many open files as it may have: ")
    assert "raise the hard limit" in ways_out(found)


def test_of_another_program_any_limit() -> None:
    assert "raise the limit of open files" in ways_out(opens_too_much(EMFILE).finding("too-many-open-files"))


def test_the_machines_own_limit() -> None:
    assert "the machine's own limit" in opens_too_much(ENFILE).finding("too-many-open-files").message


@pytest.mark.parametrize("status", [0])
def test_a_server_that_lives_with_it(status: int) -> None:
    assert opens_too_much(EMFILE).findings(status=status) == []


def test_what_is_closed_does_not_count() -> None:
    assert findings("too-many-open-files.fixed") == []


def lives_with_it(count: int, *, syscall: str = "accept4", limits: bool = True, seconds: float = 2.0) -> Program:
    program = Program()
    step = int(seconds * 1e9) // max(count - 1, 1)
    for number in range(count):
        ts_ns = 2000 + number * step
        program.events.append(
            SyscallError(ts_ns=ts_ns, seq=number + 2, pid=PID, tid=PID, syscall=syscall, errno=EMFILE)
        )
    program._now = 3_000_000_000
    if limits:
        program.fact("confinement", limits={"nofile": [40, 40]}, seen=True, pid=PID)
    return program


@pytest.mark.parametrize("signal", [SIGINT, SIGTERM])
def test_a_server_that_lives_with_it_until_somebody_ends_it(signal: int) -> None:
    (found,) = lives_with_it(9).findings(None, signal)
    assert (found.name, found.severity) == ("too-many-open-files", Severity.WARNING)
    assert found.message == (
        "app has as many open files as it may have and goes on with that: 9 calls (accept4) ended with EMFILE, 4.5 a "
        "second for 2 s. Its limit is 40."
    )
    assert any("nofile=[40,40]" in one.text for one in found.evidence)


def test_a_server_that_runs_on_when_the_watching_ends() -> None:
    program = lives_with_it(9)
    header = Header(argv=("/srv/app",), observes=tuple(facet.value for facet in Facet), running=True, attached=PID)
    (found,) = diagnose(build(header, program.events)).findings
    assert "9 calls (accept4) ended with EMFILE" in found.message


def test_once_or_twice_is_nothing() -> None:
    assert lives_with_it(2).findings(None, SIGTERM) == []


def test_a_limit_of_inotify_is_another_one() -> None:
    assert lives_with_it(9, syscall="inotify_init1").findings(None, SIGTERM) == []


def test_who_said_it_long_before_the_end_did_not_end_by_it() -> None:
    program = lives_with_it(1, limits=False)
    program.events.append(Output(ts_ns=3000, seq=9, pid=PID, tid=PID, text="accept: too many open files; retrying\n"))
    program._now = 9_000_000_000
    assert program.findings() == []
