"""cpp-runtime-missing: std:: undefined where no C++ library was given."""

from __future__ import annotations

import pytest

from tests.unit.rules.links import archive, fails_to_link
from tests.unit.rules.scenes import Scene, lines
from tests.unit.rules.test_recordings import diagnosis_of

THROW = "f.cc:(.text+0x4c): undefined reference to `std::__throw_logic_error(char const*)'"
NEW = "f.cc:(.text+0x5a): undefined reference to `operator new(unsigned long)'"
FRENCH = (
    "f.cc:(.text+0x5a)\N{NO-BREAK SPACE}: référence indéfinie vers «\N{NO-BREAK SPACE}operator new(unsigned long)"
    "\N{NO-BREAK SPACE}»"
)


def test_the_recording_and_its_fix() -> None:
    finding = diagnosis_of("cpp-runtime-missing").findings[0]
    assert finding.name == "cpp-runtime-missing"
    assert "libf.a is C++ code" in finding.message
    assert finding.confidence == 1.0
    assert diagnosis_of("cpp-runtime-missing.fixed").findings == []


@pytest.mark.parametrize("line", [THROW, NEW, FRENCH])
def test_the_archive_that_needs_it_is_named(line: str) -> None:
    scene = Scene()
    ld = fails_to_link(scene, "-L/opt/lib -lf", line)
    archive(scene, ld, "/opt/lib/libf.a", 5, argument="-lf", cplusplus=["_Znwm"])

    finding = scene.finding("cpp-runtime-missing")

    assert "/opt/lib/libf.a is C++ code: it needs" in finding.message
    assert "of libstdc++, and gcc, which links here" in finding.message
    assert "#cgo LDFLAGS: -lstdc++ behind -lf" in finding.fix[0].text
    assert lines(finding) == ["env CGO_LDFLAGS=-O2 -g -lstdc++ go build ."]


def test_without_knowledge_of_the_archive_it_is_less_sure() -> None:
    scene = Scene()
    fails_to_link(scene, "x.syso", THROW)

    assert scene.finding("cpp-runtime-missing").confidence == 0.8


def test_llvms_library() -> None:
    scene = Scene()
    fails_to_link(scene, "-lf", "f.cc:(.text+0x4): undefined reference to `std::__1::locale::classic()'")

    assert lines(scene.finding("cpp-runtime-missing")) == ["env CGO_LDFLAGS=-O2 -g -lc++ go build ."]


@pytest.mark.parametrize("flag", ["-lstdc++", "-lc++", "/usr/lib/libstdc++.so.6", "-l:libstdc++.a"])
def test_a_library_that_lacks_a_newer_name_is_another_problem(flag: str) -> None:
    scene = Scene()
    fails_to_link(scene, f"-lf {flag}", THROW)

    assert scene.findings() == []


def test_a_function_of_the_users_own_is_another_problem() -> None:
    scene = Scene()
    fails_to_link(scene, "-lf", "f.cc:(.text+0x4): undefined reference to `store::open(int)'")

    assert scene.findings() == []
