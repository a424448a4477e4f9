"""static-flag-ignored: -extldflags -static, and Go's own linker made a dynamic program."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from gotrace.rules.finding import Severity
from tests.unit.rules.scenes import Scene, lines, proof
from tests.unit.rules.test_recordings import diagnosis_of
from tests.unit.trace.events_for import TOOLS, WORK

LOADER = "/lib64/ld-linux-x86-64.so.2"
STATIC = ("-extldflags", "-static")
COMMAND = "go build -ldflags='-extldflags=-static' ."


def links(
    scene: Scene,
    *flags: str,
    interpreter: str | None = LOADER,
    compiler: bool = False,
    known: bool = True,
    status: int = 0,
) -> None:
    """A link and, where `known`, the fact of what it made."""
    with scene.run(1, [f"{TOOLS}/link", "-o", f"{WORK}/b001/exe/a.out", *flags, "-extld=gcc"], status) as link:
        if compiler:
            scene.story.runs(link + 100, "gcc -o a.out go.o -static", parent=link)
    needed = ["libc.so.6"] if interpreter else []
    if known:
        scene.story.fact("program", "/home/u/hello/hello", interpreter=interpreter, needed=needed, pid=1, link=link)


def ok(env: Mapping[str, str] | None = None) -> Scene:
    return Scene("go build .", env=env, status=0)


@pytest.mark.parametrize(
    "flags",
    [STATIC, ("-extldflags=-static",), ("-extldflags", "-O2 -static"), ("-extldflags=-lm", "-extldflags=--static")],
)
def test_the_flag_was_for_a_linker_that_never_ran(flags: tuple[str, ...]) -> None:
    scene = ok({"CGO_ENABLED": "1"})
    links(scene, *flags)

    finding = scene.finding("static-flag-ignored")

    assert finding.severity is Severity.WARNING
    assert "/home/u/hello/hello is dynamic" in finding.message
    assert "libc.so.6" in finding.message
    assert lines(finding) == [
        "env CGO_ENABLED=0 go build .",
        "env CGO_ENABLED=1 go build -tags=netgo,osusergo .",
    ]
    assert LOADER in proof(finding)


@pytest.mark.parametrize("flags", [(), ("-extldflags", "-lm"), ("-extldflags=-static", "-extldflags=")])
def test_nobody_asked(flags: tuple[str, ...]) -> None:
    scene = ok()
    links(scene, *flags, known=False)

    assert scene.findings() == []


def test_a_program_without_c_is_static_anyhow() -> None:
    scene = ok()
    links(scene, *STATIC, interpreter=None)

    assert scene.findings() == []


def test_without_cgo_there_is_nothing_to_look_at() -> None:
    scene = ok({"CGO_ENABLED": "0"})
    links(scene, *STATIC, known=False)

    assert scene.findings() == []


def test_the_external_linker_ran() -> None:
    scene = ok()
    links(scene, *STATIC, compiler=True, interpreter=None)

    assert scene.findings() == []


def test_a_failed_build_shipped_nothing() -> None:
    scene = Scene(status=1)
    links(scene, *STATIC, status=2)

    assert "static-flag-ignored" not in [finding.name for finding in scene.findings()]


def test_what_could_not_be_looked_at_is_not_clean() -> None:
    scene = ok()
    links(scene, *STATIC, known=False)

    diagnosis = scene.diagnosis()

    assert diagnosis.findings == []
    assert [one.name for one in diagnosis.not_evaluated] == ["static-flag-ignored"]


def test_the_race_detector_needs_cgo() -> None:
    scene = ok()
    links(scene, "-race", *STATIC)

    finding = scene.finding("static-flag-ignored")

    assert lines(finding) == []
    assert "-linkmode external" in finding.fix[0].text


def test_a_real_one_and_its_fixes() -> None:
    diagnosis = diagnosis_of("static-flag-ignored")

    assert [finding.name for finding in diagnosis.findings] == ["static-flag-ignored"]
    for name in ("static-flag-ignored.fixed", "static-flag-ignored.fixed-2", "static-flag-without-cgo"):
        diagnosis = diagnosis_of(name)
        assert (diagnosis.findings, diagnosis.not_evaluated) == ([], [])
