"""read-only-file-system: the path is named as the program meant it."""

from __future__ import annotations

from errno import EACCES, EROFS

from tests.unit.rules.programs import Program
from tests.unit.rules.recorded import finding, findings, ways_out

NAME = "read-only-file-system"


def test_the_path_begins_where_the_program_was_started() -> None:
    program = Program()
    program.misses("cache/x", errno=EROFS)
    found = program.finding(NAME)
    assert found.message.startswith("app could not write /srv/cache/x: the file system there is mounted read-only")
    assert "--tmpfs /srv/cache" in ways_out(found)


def test_a_refusal_by_permissions_is_another_matter() -> None:
    program = Program()
    program.misses("/data/x", errno=EACCES)
    assert program.findings() == []


def test_a_program_that_lives_with_it() -> None:
    program = Program()
    program.misses("/data/x", errno=EROFS)
    assert program.findings(status=0) == []


def test_a_build_has_rules_of_its_own() -> None:
    program = Program()
    program.misses("/data/x", errno=EROFS)
    assert program.findings(running=False) == []


def test_a_real_one() -> None:
    assert "/data/state.json: the file system there is mounted read-only" in finding(NAME).message
    assert findings(f"{NAME}.fixed") == []
