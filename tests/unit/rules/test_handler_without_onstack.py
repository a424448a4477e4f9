"""handler-without-onstack: told by Go's runtime alone."""

from __future__ import annotations

from tests.unit.rules.programs import Program
from tests.unit.rules.recorded import finding, findings

SAID = "fatal error: non-Go code set up signal handler without SA_ONSTACK flag"


def test_the_signal_is_named() -> None:
    assert "installed a signal handler for SIGUSR1 without SA_ONSTACK" in finding("handler-without-onstack").message


def test_without_the_signal_the_rest_is_told() -> None:
    program = Program()
    program.says(SAID)
    assert "installed a signal handler without SA_ONSTACK" in program.finding("handler-without-onstack").message


def test_a_program_that_ends_well_only_quotes_it() -> None:
    program = Program()
    program.says(SAID)
    assert program.findings(status=0) == []


def test_with_the_flag_all_is_well() -> None:
    assert findings("handler-without-onstack.fixed") == []
