"""missing-time-zones: a zone that is in none of the folders, and not in the program."""

from __future__ import annotations

import pytest

from gotrace.rules.finding import Severity
from tests.unit.rules.programs import IMAGE, Program
from tests.unit.rules.scenes import lines

ZONE = "Asia/Shanghai"
SOURCES = ("/usr/share/zoneinfo/", "/usr/share/lib/zoneinfo/", "/usr/lib/locale/TZ/", "/etc/zoneinfo")
NAME = "missing-time-zones"


def looks_for(program: Program, zone: str = ZONE) -> None:
    program.misses(*(f"{source}/{zone}" for source in SOURCES))


def test_no_folder_has_it() -> None:
    program = Program(mount_namespace=IMAGE)
    looks_for(program)
    program.says(f"unknown time zone {ZONE}")

    finding = program.finding(NAME)

    assert finding.severity is Severity.ERROR
    assert "not among the files of the root folder that it runs in" in finding.message
    assert lines(finding) == ["go build -tags timetzdata -o app ."]


def test_the_command_repeats_how_the_program_was_built() -> None:
    program = Program()
    go = {"version": "go1.26.6", "path": "example.com/app/cmd/app", "settings": {"CGO_ENABLED": "0", "-tags": "netgo"}}
    program.fact("binary", "/srv/app", go=go)
    looks_for(program)
    program.says(f"unknown time zone {ZONE}")
    assert lines(program.finding(NAME)) == [
        "env CGO_ENABLED=0 go build -tags netgo,timetzdata -o app example.com/app/cmd/app",
        "apt-get install -y tzdata",
    ]


def test_a_name_that_no_zone_has() -> None:
    program = Program(system={"time_zones": ["/usr/share/zoneinfo"]})
    looks_for(program, "Asia/Peking")
    program.says("unknown time zone Asia/Peking")
    finding = program.finding(NAME)
    assert "there are time zones in /usr/share/zoneinfo, but none of that name" in finding.message
    assert finding.fix[0].text.startswith("Correct the name Asia/Peking")


@pytest.mark.parametrize(("parts", "expected"), [((), [NAME]), (("time zones",), []), (None, [])])
def test_without_a_word_the_program_must_be_known_to_have_none(
    parts: tuple[str, ...] | None, expected: list[str]
) -> None:
    program = Program(parts=parts)
    looks_for(program)
    found = program.findings()
    assert [one.name for one in found] == expected
    assert all(one.severity is Severity.WARNING for one in found)


def test_a_zone_that_the_second_folder_has() -> None:
    program = Program()
    program.misses(f"{SOURCES[0]}/{ZONE}")
    program.says("panic: another reason")
    assert program.findings() == []


def test_the_zone_of_the_environment_is_not_asked_for() -> None:
    program = Program(env={"TZ": ZONE})
    looks_for(program)
    assert program.findings() == []


def test_who_copes_is_well() -> None:
    program = Program()
    looks_for(program)
    program.says(f"unknown time zone {ZONE}")
    assert program.findings(status=0) == []
