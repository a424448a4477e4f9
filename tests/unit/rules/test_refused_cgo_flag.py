"""refused-cgo-flag: the go command's own list of allowed flags."""

from __future__ import annotations

import pytest

from tests.unit.rules.links import compiles
from tests.unit.rules.scenes import Scene, lines, proof
from tests.unit.rules.test_recordings import diagnosis_of

SEE = " (see https://go.dev/s/invalidflag)"


def refused(scene: Scene, *said: str) -> None:
    for one in said:
        scene.story.writes(1, f"ex/hello: invalid flag in {one}\n")


def test_the_recording_and_its_fix() -> None:
    finding = diagnosis_of("refused-cgo-flag").findings[0]
    assert finding.name == "refused-cgo-flag"
    assert "the flag -Wl,--sort-section=name in #cgo LDFLAGS of package scenario" in finding.message
    assert diagnosis_of("refused-cgo-flag.fixed").findings == []


@pytest.mark.parametrize("ending", ["", SEE])
def test_it_is_allowed_as_an_expression_that_is_this_flag_only(ending: str) -> None:
    scene = Scene()
    refused(scene, f"#cgo CFLAGS: -fplugin=foo.so{ending}")

    finding = scene.finding("refused-cgo-flag")

    assert "-fplugin=foo.so in #cgo CFLAGS of package ex/hello" in finding.message
    assert "invalid flag in #cgo CFLAGS: -fplugin=foo.so" in proof(finding)
    assert lines(finding) == [r"env CGO_CFLAGS_ALLOW=-fplugin=foo\.so go build ."]
    assert finding.confidence < 1


def test_what_was_allowed_before_stays_allowed() -> None:
    scene = Scene(env={"CGO_LDFLAGS_ALLOW": "-Wl,-z.*"})
    refused(scene, "#cgo LDFLAGS: -T link.ld" + SEE)

    assert lines(scene.finding("refused-cgo-flag")) == [r"env CGO_LDFLAGS_ALLOW=-Wl,-z.*|-T|link\.ld go build ."]


def test_flags_of_pkg_config() -> None:
    scene = Scene()
    refused(scene, "pkg-config --libs: -Wl,-x" + SEE)

    finding = scene.finding("refused-cgo-flag")

    assert "in pkg-config --libs of package" in finding.message
    assert lines(finding) == ["env CGO_LDFLAGS_ALLOW=-Wl,-x go build ."]


def test_two_packages_with_flags_of_one_kind_are_allowed_together() -> None:
    scene = Scene()
    refused(scene, "#cgo LDFLAGS: -Wl,-x")
    scene.story.writes(1, "ex/other: invalid flag in #cgo LDFLAGS: -Wl,-y\n")

    findings = scene.findings()

    assert [finding.name for finding in findings] == ["refused-cgo-flag"] * 2
    assert {line for finding in findings for line in lines(finding)} == {
        "env CGO_LDFLAGS_ALLOW=-Wl,-x|-Wl,-y go build ."
    }


def test_a_package_that_was_built_after_all_is_no_finding() -> None:
    scene = Scene()
    refused(scene, "#cgo LDFLAGS: -Wl,-x")
    compiles(scene, "ex/hello", "a.cgo2.c")

    assert scene.findings() == []


def test_a_build_that_succeeded_is_no_finding() -> None:
    scene = Scene(status=0)
    refused(scene, "#cgo LDFLAGS: -Wl,-x")

    assert scene.findings() == []
