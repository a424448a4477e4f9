"""too-many-open-files: Go has raised the soft limit already, so that the hard one counts."""

from __future__ import annotations

from errno import EMFILE, ENFILE

import pytest

from gotrace.events.model import SyscallError
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
