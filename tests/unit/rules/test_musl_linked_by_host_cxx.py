"""musl-linked-by-host-cxx: CC is for musl, CXX is not, and CXX links."""

from __future__ import annotations

import pytest

from tests.unit.rules.scenes import Scene, lines
from tests.unit.rules.test_recordings import diagnosis_of
from tests.unit.trace.events_for import TOOLS, WORK

GLIBC = "-dynamic-linker /lib64/ld-linux-x86-64.so.2"
MUSL = "-dynamic-linker /lib/ld-musl-x86_64.so.1"


def linked(cc: str, extld: str, loader: str, *, status: int = 0) -> Scene:
    scene = Scene(env={"CC": cc}, tools={"CC": cc}, status=status)
    words = [f"{TOOLS}/link", "-o", f"{WORK}/b001/exe/a.out", "-importcfg", "x", f"-extld={extld}", "a.a"]
    with (
        scene.run(1, words, status) as link,
        scene.run(link, f"{extld} -m64 -o a.out go.o", status) as driver,
        scene.run(driver, f"/usr/bin/ld {loader} go.o -lc", status),
    ):
        pass
    return scene


def test_the_recording_and_its_fix() -> None:
    finding = diagnosis_of("musl-linked-by-host-cxx").findings[0]
    assert (finding.name, finding.severity) == ("musl-linked-by-host-cxx", "warning")
    assert diagnosis_of("musl-linked-by-host-cxx.fixed").findings == []


@pytest.mark.parametrize("loader", [GLIBC, "-static"])
def test_gxx_links_with_glibc(loader: str) -> None:
    finding = linked("musl-gcc", "g++", loader).finding("musl-linked-by-host-cxx")

    assert finding.message == (
        "CC=musl-gcc is for musl, but g++ linked the program, with glibc: a package has C++ files, and CXX is still "
        "g++."
    )
    assert lines(finding) == ["env CC=gcc go build ."]


@pytest.mark.parametrize(
    ("cc", "extld", "loader"),
    [
        ("musl-gcc", "musl-gcc", MUSL),
        ("x86_64-linux-musl-gcc", "x86_64-linux-musl-g++", MUSL),
        ("musl-gcc", "g++", MUSL),
        ("gcc", "g++", GLIBC),
        ("/home/u/musl/gcc", "g++", GLIBC),
    ],
)
def test_one_c_library_is_well(cc: str, extld: str, loader: str) -> None:
    """A g++ on a musl system links with musl's loader, though its name does not say so."""
    assert linked(cc, extld, loader).findings() == []


def test_never_where_the_link_failed() -> None:
    assert linked("musl-gcc", "g++", GLIBC, status=1).findings() == []
