"""c-files-without-cgo: C files in a package of which no Go file imports C."""

from __future__ import annotations

import pytest

from tests.unit.rules.scenes import Scene
from tests.unit.rules.test_recordings import diagnosis_of

WORDS = "source files not allowed when not using cgo or SWIG:"


def refused(words: str, command: str = "go build -tags no_store .", status: int = 1) -> Scene:
    scene = Scene(command, env={"CGO_ENABLED": "1"}, status=status)
    scene.story.writes(1, words)
    return scene


@pytest.mark.parametrize("name", ["c-files-without-cgo", "c-file-in-a-go-package"])
def test_the_recordings_and_their_fixes(name: str) -> None:
    assert [finding.name for finding in diagnosis_of(name).findings] == ["c-files-without-cgo"]
    assert diagnosis_of(f"{name}.fixed").findings == []


def test_a_tag_left_out_the_file_that_uses_them() -> None:
    scene = refused(f"package ex\n\timports ex/store: C {WORDS} f.c g.c\n")
    scene.story.fact("gopackage", "ex/store", cgo_files=[], ignored_cgo_files=["store.go"], import_c=None, pid=1)

    finding = scene.finding("c-files-without-cgo")

    assert finding.message == (
        'Package ex/store has f.c and g.c, which Go compiles only beside a Go file with import "C", and store.go is '
        "left out of this build by a build constraint (-tags no_store)."
    )
    assert [fix.text for fix in finding.fix] == [
        "Begin f.c and g.c with the //go:build line of store.go and an empty line."
    ]
    assert finding.confidence == 1.0


@pytest.mark.parametrize(
    ("words", "package", "files"),
    [
        (f"package ex: C {WORDS} tool.c\n", "ex", "tool.c"),
        (f"package ex\n\timports ex/a\n\timports ex/b: C++ {WORDS} x.cc\n", "ex/b", "x.cc"),
        (f"a.go:3:8: package ex/m: Objective-C {WORDS} x.m\n", "ex/m", "x.m"),
    ],
)
def test_a_package_that_is_all_go(words: str, package: str, files: str) -> None:
    finding = refused(words, "go build .").finding("c-files-without-cgo")

    assert finding.message == (
        f'Package {package} has {files}, which Go compiles only beside a Go file with import "C", and this build takes '
        "none."
    )
    assert "//go:build ignore" in finding.fix[0].text
    assert finding.confidence == 0.8


def test_each_package_once() -> None:
    scene = refused(f"package ex/a: C {WORDS} a.c\npackage ex/b: C {WORDS} b.c\n")
    assert [finding.message.split()[1] for finding in scene.findings()] == ["ex/a", "ex/b"]


def test_a_package_that_uses_its_cgo_files_is_another_matter() -> None:
    """The fact tells of a package that CGO_ENABLED=1 would compile by cgo: then no constraint left it out."""
    scene = refused(f"package ex: C {WORDS} f.c\n")
    scene.story.fact("gopackage", "ex", cgo_files=["a.go"], ignored_cgo_files=["b.go"], import_c=None, pid=1)
    assert "and this build takes none" in scene.finding("c-files-without-cgo").message


def test_the_words_alone_decide_nothing() -> None:
    assert refused(f"package ex: C {WORDS} f.c\n", status=0).findings() == []
