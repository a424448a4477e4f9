"""glibc-headers-in-musl-build: musl-gcc was sent to /usr/include."""

from __future__ import annotations

import pytest

from tests.unit.rules.scenes import INCLUDE, Scene, lines
from tests.unit.rules.test_recordings import diagnosis_of
from tests.unit.trace.events_for import GCC_PARTS

BOTH = "-I/usr/include -I/usr/include/x86_64-linux-gnu"
SPECS = "/usr/lib/x86_64-linux-musl/musl-gcc.specs"
BLAMES = "/usr/include/stdlib.h:32:10: error: unknown type name '__time64_t'\n"


def compiled(flags: str, words: str, *, cc: str = "musl-gcc", variable: bool = True, status: int = 1) -> Scene:
    """A compile by musl-gcc, which is a shell script that becomes gcc."""
    env = {"CC": cc} | ({"CGO_CFLAGS": f"-O2 {flags}"} if variable else {})
    scene = Scene(env=env, tools=env, status=status)
    with scene.cgo("ex/hello", 2 * status) as cgo, scene.run(cgo, f"{cc} {flags} -c a.c", status) as driver:
        specs = f" -specs {SPECS}" if cc == "musl-gcc" else ""
        scene.story.execs(driver, f"x86_64-linux-gnu-gcc {flags} -c a.c{specs}")
        with scene.run(driver, f"{GCC_PARTS}/cc1 -quiet {flags} a.c", status) as cc1:
            scene.story.writes(cc1, words)
    return scene


def test_the_recording_and_its_fix() -> None:
    finding = diagnosis_of("glibc-headers-in-musl-build").findings[0]
    assert finding.name == "glibc-headers-in-musl-build"
    assert finding.message.startswith("-I/usr/include (in CGO_CFLAGS) brings glibc's headers into a build with musl")
    assert diagnosis_of("glibc-headers-in-musl-build.fixed").findings == []


@pytest.mark.parametrize("words", [BLAMES, "In Datei, eingebunden von /usr/include/stdlib.h:32,\n"])
def test_in_any_language(words: str) -> None:
    finding = compiled(BOTH, words).finding("glibc-headers-in-musl-build")

    assert finding.message == (
        "-I/usr/include (in CGO_CFLAGS) brings glibc's headers into a build with musl, and /usr/include/stdlib.h does "
        "not fit musl's (package ex/hello)."
    )
    assert lines(finding) == ["env CC=musl-gcc CGO_CFLAGS=-O2 go build ."]
    assert "Drop -I/usr/include and -I/usr/include/x86_64-linux-gnu from CGO_CFLAGS" in finding.fix[0].text


def test_a_cgo_line_is_named_as_the_origin() -> None:
    finding = compiled("-I/usr/include", BLAMES, variable=False).finding("glibc-headers-in-musl-build")
    assert "from a #cgo line of package ex/hello" in finding.message
    assert lines(finding) == []


def test_a_header_that_misses_in_there_is_a_consequence() -> None:
    words = "/usr/include/stdio.h:27:10: fatal error: bits/libc-header-start.h: No such file or directory\n"
    env = {"CC": "musl-gcc", "CGO_CFLAGS": "-I/usr/include"}
    scene = Scene(env=env, tools=env)
    with (
        scene.cgo("ex/hello") as cgo,
        scene.run(cgo, "musl-gcc -I/usr/include -E x.c", 1) as driver,
        scene.run(driver, f"{GCC_PARTS}/cc1 -E -I/usr/include -isystem /usr/include/x86_64-linux-musl x.c", 1) as cc1,
    ):
        scene.searches(cc1, "bits/libc-header-start.h", [INCLUDE[-1], "/usr/include/x86_64-linux-musl"], "openat")
        scene.story.writes(cc1, words)

    finding = scene.finding("glibc-headers-in-musl-build")

    assert [one.name for one in finding.consequences] == ["missing-header"]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (BOTH, "/home/u/hello/a.c:3:1: error: expected ';'\n"),
        (BOTH, "/usr/include/x86_64-linux-musl/stdlib.h:3:1: error: expected ';'\n"),
        ("-I/usr/include/libxml2", "/usr/include/libxml2/parser.h:3:1: error: expected ';'\n"),
    ],
)
def test_an_error_elsewhere_is_not_claimed(flags: str, words: str) -> None:
    assert compiled(flags, words).findings() == []


def test_gcc_may_search_its_own_headers() -> None:
    assert compiled(BOTH, BLAMES, cc="gcc").findings() == []


def test_never_where_the_build_succeeded() -> None:
    assert compiled(BOTH, BLAMES, status=0).findings() == []
