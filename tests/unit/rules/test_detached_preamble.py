"""detached-preamble: an empty line above import "C"."""

from __future__ import annotations

from collections.abc import Sequence

from gotrace.rules.engine import diagnose
from tests.unit.rules.scenes import Scene, lines
from tests.unit.rules.test_recordings import diagnosis_of

HERE = "/home/u/hello"


def unknown(
    *names: str, mentions: Sequence[str] = (), includes: Sequence[str] = (), fact: bool = True, status: int = 1
) -> Scene:
    scene = Scene(status=status)
    with scene.cgo("ex/hello", 2 if status else 0) as cgo:
        for name in names:
            scene.story.writes(cgo, f"{HERE}/a.go:9:8: could not determine what C.{name} refers to\n")
    if fact:
        data = {"empty_lines": [5, 5], "mentions": list(mentions), "includes": list(includes)}
        scene.story.fact("preamble", f"{HERE}/a.go", **data, pid=cgo)
    return scene


def test_the_recording_and_its_fix() -> None:
    assert [finding.name for finding in diagnosis_of("detached-preamble").findings] == ["detached-preamble"]
    assert diagnosis_of("detached-preamble.fixed").findings == []


def test_the_comment_has_the_name() -> None:
    finding = unknown("f", "stdin", mentions=["f"]).finding("detached-preamble")

    assert finding.message == (
        f'cgo does not know C.f: empty line 5 of {HERE}/a.go parts the preamble, which has it, from import "C".'
    )
    assert lines(finding) == [f"sed -i 5d {HERE}/a.go"]
    assert finding.confidence == 1.0
    assert "package:ex/hello" in finding.explains


def test_the_comment_includes_headers() -> None:
    finding = unknown("free", includes=["stdlib.h", "x.h"]).finding("detached-preamble")

    assert "cgo does not know C.free" in finding.message
    assert "the preamble, which includes stdlib.h and x.h, from" in finding.message
    assert finding.confidence == 0.9


def test_two_empty_lines_and_a_path_below_the_folder_of_the_command() -> None:
    scene = unknown("f", fact=False)
    scene.story.fact("preamble", f"{HERE}/p/a.go", empty_lines=[5, 6], mentions=["f"], includes=[], pid=2)

    (finding,) = diagnose(scene.trace(cwd=HERE)).findings

    assert "empty lines 5 to 6 of p/a.go part the preamble, which has it, from" in finding.message
    assert lines(finding) == ["sed -i 5,6d p/a.go"]


def test_names_that_are_nowhere_are_another_matter() -> None:
    assert unknown("f", fact=False).findings() == []


def test_a_cgo_that_went_on() -> None:
    assert unknown("f", mentions=["f"], status=0).findings() == []
