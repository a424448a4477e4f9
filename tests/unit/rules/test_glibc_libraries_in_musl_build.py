"""glibc-libraries-in-musl-build: musl's loader and libc.so.6 in one program."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.unit.rules.scenes import Scene, lines
from tests.unit.rules.test_recordings import diagnosis_of

GLIBC = "/usr/lib/x86_64-linux-gnu"
LOADER = "/lib/ld-musl-x86_64.so.1"


def linked(needed: Sequence[str], *, loader: str = LOADER, option: str = f"-L{GLIBC}", status: int = 0) -> Scene:
    env = {"CC": "musl-gcc", "CGO_LDFLAGS": option}
    scene = Scene("go build -o app .", env=env, tools=env, status=status)
    with (
        scene.link(status=0) as link,
        scene.run(link, f"musl-gcc -m64 -o a.out go.o {option}") as driver,
        scene.run(driver, f"collect2 -dynamic-linker {LOADER} {option}") as collect2,
        scene.run(collect2, f"ld -dynamic-linker {LOADER} {option} -L/usr/lib/x86_64-linux-musl -lc"),
    ):
        pass
    scene.story.fact("program", "/home/u/hello/app", package="", interpreter=loader, needed=list(needed), pid=1)
    return scene


def test_the_recording_and_its_fix() -> None:
    finding = diagnosis_of("glibc-libraries-in-musl-build").findings[0]
    assert (finding.name, finding.severity) == ("glibc-libraries-in-musl-build", "warning")
    assert finding.message.endswith("that needs glibc (libc.so.6): -L/usr/lib/x86_64-linux-gnu brings it.")
    assert diagnosis_of("glibc-libraries-in-musl-build.fixed").findings == []


def test_the_option_that_brought_it_is_dropped() -> None:
    finding = linked(["libz.so.1", "libc.so.6"]).finding("glibc-libraries-in-musl-build")

    assert finding.message == (
        f"/home/u/hello/app is a program for musl ({LOADER}) that needs glibc (libc.so.6): -L{GLIBC} brings it."
    )
    assert lines(finding) == ["env CC=musl-gcc CGO_LDFLAGS= go build -o app ."]


def test_an_option_that_no_variable_has() -> None:
    scene = linked(["libc.so.6"], option="-L/opt/lib")
    finding = scene.finding("glibc-libraries-in-musl-build")

    assert lines(finding) == []
    assert "what brings glibc into the link" in finding.fix[0].text


@pytest.mark.parametrize(
    ("needed", "loader"),
    [
        (["libz.so.1", "libc.so"], LOADER),
        (["libc.musl-x86_64.so.1"], LOADER),
        (["libc.so.6"], "/lib64/ld-linux-x86-64.so.2"),
        ([], ""),
    ],
)
def test_one_c_library_is_well(needed: list[str], loader: str) -> None:
    assert linked(needed, loader=loader).findings() == []


def test_a_build_that_failed_shipped_nothing() -> None:
    assert linked(["libc.so.6"], status=1).findings() == []
