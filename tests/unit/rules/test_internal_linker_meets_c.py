"""internal-linker-meets-c: functions of C that Go's own linker does not find."""

from __future__ import annotations

import pytest

from tests.unit.rules.scenes import Scene, lines
from tests.unit.rules.test_recordings import diagnosis_of
from tests.unit.trace.events_for import TOOLS, WORK

NAME = "internal-linker-meets-c"
NET = "net(.text): relocation target getaddrinfo not defined"
CGO = "runtime/cgo(.text): relocation target stderr not defined"


def fails(
    *words: str, command: str = "go build .", env: dict[str, str] | None = None, option: str = "", trial: str = ""
) -> Scene:
    scene = Scene(command, env={"CGO_ENABLED": "1", **(env or {})})
    if trial:
        with scene.run(1, f"gcc -m64 -o {WORK}/b047/_cgo_.o {WORK}/b047/_x001.o {trial}"):
            pass
    link = [f"{TOOLS}/link", "-o", f"{WORK}/b001/exe/a.out", "-buildmode=exe", *option.split(), f"{WORK}/b001/_pkg_.a"]
    with scene.run(1, link, 2) as pid:
        scene.story.writes(pid, "runtime.gcdata: missing Go type information for global symbol .dynsym: size 72\n")
        for line in words:
            scene.story.writes(pid, f"{line}\n")
    return scene


def test_the_recordings() -> None:
    assert [finding.name for finding in diagnosis_of("static-in-cgo-ldflags").findings] == [NAME]
    assert diagnosis_of("static-in-cgo-ldflags.fixed").findings == []


def test_static_in_cgo_ldflags() -> None:
    finding = fails(NET, CGO, env={"CGO_LDFLAGS": "-O2 -static"}, trial="-static").finding(NAME)

    assert finding.message == (
        "Go's own linker does not find getaddrinfo and stderr, C functions that net and runtime/cgo use: -static in "
        "CGO_LDFLAGS leaves no shared library to take them from, and only the C compiler could link them in."
    )
    assert [line.removeprefix("env ") for line in lines(finding)] == [
        "CGO_ENABLED=0 CGO_LDFLAGS=-O2 -static go build .",
        "CGO_ENABLED=1 CGO_LDFLAGS=-O2 -static go build -ldflags=-linkmode=external .",
    ]
    assert finding.confidence == 1.0


def test_the_trial_was_in_an_earlier_build() -> None:
    finding = fails(NET, env={"CGO_LDFLAGS": "-static"}).finding(NAME)
    assert "C functions that net uses: -static in CGO_LDFLAGS" in finding.message


def test_a_compiler_that_links_statically_by_itself() -> None:
    finding = fails(NET, trial="-static").finding(NAME)
    assert ": -static leaves no shared library" in finding.message


def test_the_internal_linker_was_asked_for() -> None:
    finding = fails("ex/c(.text): relocation target sqlite3_open not defined", option="-linkmode=internal").finding(
        NAME
    )

    assert "-linkmode=internal keeps the C compiler from linking" in finding.message
    assert [fix.text for fix in finding.fix] == [
        "Have the C compiler link: -ldflags=-linkmode=external instead of -linkmode=internal."
    ]


def test_no_reason_that_can_be_seen() -> None:
    finding = fails("ex/c(.text): relocation target sqlite3_open not defined").finding(NAME)

    assert finding.message.endswith("C functions that ex/c uses.")
    assert finding.confidence == 0.8
    assert len(finding.fix) == 1


@pytest.mark.parametrize(
    "words",
    [
        "main.main: relocation target main.g not defined",
        "main.main: relocation target main.g not defined for ABI0 (but is defined for ABIInternal)",
        "function main is undeclared in the main package",
    ],
)
def test_functions_of_go_are_another_matter(words: str) -> None:
    assert fails(words).findings() == []


def test_a_link_in_which_the_c_compiler_took_part() -> None:
    scene = Scene()
    with scene.link() as link:
        with scene.run(link, "gcc -m64 -o a.out go.o"):
            pass
        scene.story.writes(link, f"{NET}\n")
    assert scene.findings() == []
