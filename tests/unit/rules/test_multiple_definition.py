"""multiple-definition: what the two places are tells the cause."""

from __future__ import annotations

import pytest

from tests.unit.rules.links import GO_LINK, HERE, compiles, fails_to_link
from tests.unit.rules.scenes import Scene, lines, proof
from tests.unit.rules.test_recordings import diagnosis_of

CGO = "/tmp/go-build"
ENGLISH = "{}: multiple definition of `{}'; {}: first defined here"
FRENCH = (
    "{}\N{NO-BREAK SPACE}: définitions multiples de «\N{NO-BREAK SPACE}{}\N{NO-BREAK SPACE}»; {}\N{NO-BREAK SPACE}: "
    "défini pour la première fois ici"
)
RUSSIAN = "{}: повторное определение «{}»; {}: здесь первое определение"


@pytest.mark.parametrize(
    ("recording", "says"),
    [
        ("preamble-defined-twice", "in the preamble of main.go (package scenario), which cgo compiles twice"),
        ("stray-c-file", "/test_tool.c (package scenario), and a Go program has its own"),
    ],
)
def test_the_recordings_and_their_fixes(recording: str, says: str) -> None:
    finding = diagnosis_of(recording).findings[0]
    assert finding.name == "multiple-definition"
    assert says in finding.message
    assert diagnosis_of(f"{recording}.fixed").findings == []


@pytest.mark.parametrize("line", [ENGLISH, FRENCH, RUSSIAN])
def test_a_preamble_with_exports_in_any_language(line: str) -> None:
    scene = Scene()
    compiles(scene, "ex/hello", "_cgo_export.c", "a.cgo2.c")
    line = line.format(f"{CGO}/a.cgo2.c:4", "helper", f"{GO_LINK}/000000.o:{CGO}/_cgo_export.c:4")
    fails_to_link(scene, "-lpthread", f"/usr/bin/ld: {GO_LINK}/000001.o: in function `helper':", line)

    finding = scene.finding("multiple-definition")

    assert finding.message.startswith("helper is defined in the preamble of a.go (package ex/hello), which cgo")
    assert '"a.cgo2.c"' in proof(finding)
    assert "static inline" in finding.fix[0].text


def test_data_without_a_function_around_it() -> None:
    """For a variable there is no `in function` line before, and ld is on this one."""
    scene = Scene()
    at = f"/usr/bin/ld: {GO_LINK}/000001.o:{CGO}/a.cgo2.c:4"
    fails_to_link(scene, "", ENGLISH.format(at, "count", f"{GO_LINK}/000000.o:{CGO}/_cgo_export.c:4"))

    assert "count is defined in the preamble of a.go" in scene.finding("multiple-definition").message


def test_a_stray_program() -> None:
    scene = Scene()
    compiles(scene, "ex/hello", "a.cgo2.c", "tool.c")
    fails_to_link(scene, "", ENGLISH.format(f"{HERE}/tool.c:1", "main", f"{GO_LINK}/go.o:(.text+0x75a80)"))

    finding = scene.finding("multiple-definition")

    assert f"main is defined in {HERE}/tool.c (package ex/hello), and a Go program has its own" in finding.message
    assert "//go:build ignore" in finding.fix[0].text


def test_an_archive_with_a_main_is_no_stray_file() -> None:
    scene = Scene()
    line = ENGLISH.format("/opt/liba.a(x.o):(.text+0x0)", "main", f"{GO_LINK}/go.o:(.text+0x75a80)")
    fails_to_link(scene, "/opt/liba.a", line)

    finding = scene.finding("multiple-definition")

    assert "main is defined twice: in Go's own code and in /opt/liba.a(x.o)" in finding.message
    assert "Remove one of the two" in finding.fix[0].text


def two_copies(scene: Scene, *names: str, second: str = "db.c") -> None:
    compiles(scene, "ex/a", "db.c", cwd="/src/a")
    compiles(scene, "ex/bb", second, cwd="/src/bb")
    said = [ENGLISH.format(f"/src/bb/{second}:1", n, f"{GO_LINK}/000002.o:/src/a/db.c:1") for n in names]
    fails_to_link(scene, "", *said)


def test_two_copies_of_a_library_are_one_finding() -> None:
    scene = Scene()
    two_copies(scene, "db_open", "db_close", "db_read")

    finding = scene.finding("multiple-definition")

    assert "db_open and 2 more are defined twice" in finding.message
    assert "in /src/a/db.c (package ex/a) and in /src/bb/db.c (package ex/bb)" in finding.message
    assert lines(finding) == ["env CGO_LDFLAGS=-O2 -g -Wl,--allow-multiple-definition go build ."]


def test_different_files_are_not_told_to_be_copies() -> None:
    scene = Scene()
    two_copies(scene, "helper", second="util.c")

    assert lines(scene.finding("multiple-definition")) == []


def test_a_definition_in_a_header() -> None:
    scene = Scene()
    line = ENGLISH.format(f"{HERE}/h.h:3", "twice", f"{GO_LINK}/000000.o:{HERE}/h.h:3")
    fails_to_link(scene, "", line)

    finding = scene.finding("multiple-definition")

    assert f"twice is defined in {HERE}/h.h, which more than one C file of the program includes" in finding.message


def test_two_archives() -> None:
    scene = Scene()
    line = ENGLISH.format("/usr/bin/ld: /opt/libb.a(x.o):x.c:1", "x", "/opt/liba.a(x.o):x.c:1")
    fails_to_link(scene, "/opt/liba.a /opt/libb.a", line)

    message = scene.finding("multiple-definition").message

    assert "x is defined twice: in /opt/liba.a(x.o) and in /opt/libb.a(x.o)" in message


def test_a_link_that_succeeded_is_no_finding() -> None:
    scene = Scene(status=0)
    with scene.link(status=0) as link, scene.run(link, "/usr/bin/ld -z muldefs a.o b.o") as ld:
        scene.story.writes(ld, ENGLISH.format("b.c:1", "x", "a.o:a.c:1"))

    assert scene.findings() == []
