"""vendored-files-missing: what `go mod vendor` left out."""

from __future__ import annotations

import pytest

from tests.unit.rules.scenes import Scene, lines, missing_header
from tests.unit.rules.test_recordings import diagnosis_of


def test_the_recording_and_its_fix() -> None:
    finding = diagnosis_of("vendored-files-missing").findings[0]
    assert finding.name == "vendored-files-missing"
    assert finding.message.startswith("vendor/example.org/lib/include/lib.h, which ")
    assert diagnosis_of("vendored-files-missing.fixed").findings == []


def test_go_mod_vendor_left_the_folder_out() -> None:
    scene = Scene(env={"GOFLAGS": "-v"})
    place = "/home/u/app/vendor/ex/lib/lib.go"
    missing_header(scene, "lib.h", "ex/lib", place=place, shows='    4 | // #include "lib.h"')

    finding = scene.finding("vendored-files-missing")

    assert "`go mod vendor` drops folders without Go files" in finding.fix[0].text
    assert lines(finding) == ["env GOFLAGS=-v -mod=mod go build ."]
    assert "give the header's folder a Go file" in finding.fix[1].text


def lacks_vendored(scene: Scene) -> None:
    place = "/home/u/app/vendor/ex/lib/lib.go"
    missing_header(scene, "lib.h", "ex/lib", place=place, shows='    4 | // #include "lib.h"')


@pytest.mark.parametrize(
    ("command", "fixed"),
    [
        ("go build -mod=vendor .", "env GOFLAGS=-v go build -mod=mod ."),
        ("go build --mod=vendor .", "env GOFLAGS=-v go build --mod=mod ."),
        ("go build -mod vendor .", "env GOFLAGS=-v go build -mod mod ."),
        ("go build -o vendor .", "env GOFLAGS=-v -mod=mod go build -o vendor ."),
    ],
)
def test_a_flag_of_the_command_line_is_replaced_there(command: str, fixed: str) -> None:
    scene = Scene(command, env={"GOFLAGS": "-v"})
    lacks_vendored(scene)

    assert lines(scene.finding("vendored-files-missing")) == [fixed]


def test_a_flag_that_a_script_gives_is_not_replaced_by_a_variable() -> None:
    scene = Scene("go build -mod=vendor .", argv=["make", "all"])
    lacks_vendored(scene)

    finding = scene.finding("vendored-files-missing")

    assert lines(finding) == []
    assert "put that for -mod=vendor where the go command gets it" in finding.fix[0].text


@pytest.mark.parametrize(("work", "commands"), [("/home/u/app/go.work", 0), ("off", 1), ("", 1)])
def test_a_workspace_takes_no_mod(work: str, commands: int) -> None:
    scene = Scene()
    lacks_vendored(scene)
    scene.go_env(GOWORK=work)

    finding = scene.finding("vendored-files-missing")

    assert len(lines(finding)) == commands
    assert ("Go refuses -mod=mod" in finding.fix[0].text) == (not commands)
