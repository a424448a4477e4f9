"""user-not-in-passwd: a user without a name."""

from __future__ import annotations

from tests.unit.rules.programs import IMAGE, Program
from tests.unit.rules.scenes import lines, proof

SAID = "user: Current requires cgo or $USER, $HOME set in environment"
NAME = "user-not-in-passwd"


def test_no_file_of_users() -> None:
    program = Program(mount_namespace=IMAGE, argv=("./app", "-v"))
    program.misses("/etc/passwd")
    program.says(SAID)
    finding = program.finding(NAME)
    assert "/etc/passwd is not among the files of the root folder that it runs in" in finding.message
    assert "$USER and $HOME are not set" in finding.message
    assert "/etc/passwd" in proof(finding)
    assert lines(finding) == ["env USER=app HOME=/ ./app -v"]


def test_a_file_that_does_not_list_the_user() -> None:
    program = Program()
    program.says("user: unknown userid 4321")
    finding = program.finding(NAME)
    assert finding.message == "app does not know who the user 4321 is: /etc/passwd has no line for that user."
    assert finding.confidence < 1.0
    assert lines(finding) == []


def test_one_variable_is_enough() -> None:
    program = Program(argv=("env", "A=1", "./app"))
    program.says("user: Current requires cgo or $USER set in environment")
    finding = program.finding(NAME)
    assert finding.message.endswith("and $USER is not set.")
    assert lines(finding) == ["env USER=app A=1 ./app"]


def test_a_command_that_empties_the_environment_is_not_repeated() -> None:
    program = Program(argv=("env", "-i", "./app"))
    program.says(SAID)
    finding = program.finding(NAME)
    assert lines(finding) == []
    assert finding.fix[0].text == "Say who it is in the environment: USER=app HOME=/."


def test_who_copes_is_well_and_who_says_nothing_is_not_judged() -> None:
    program = Program()
    program.misses("/etc/passwd")
    assert program.findings() == []
    program.says(SAID)
    assert program.findings(status=0) == []
