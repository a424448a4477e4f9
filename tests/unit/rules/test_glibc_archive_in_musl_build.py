"""glibc-archive-in-musl-build: an archive needs what only glibc has, and the link is for musl."""

from __future__ import annotations

import pytest

from tests.unit.rules.links import GO_LINK, HERE, archive, fails_to_link
from tests.unit.rules.scenes import Scene, lines, proof

MUSL = {"CC": "musl-gcc"}
ARCHIVE = f"{HERE}/libanswer.a"


def lacks(name: str) -> str:
    return f"answer.c:(.text+0x20): undefined reference to `{name}'"


def scene_of(name: str, *, compiler: str = "musl-gcc", path: str = ARCHIVE, **more: list[str]) -> Scene:
    scene = Scene(env={"CC": compiler})
    ld = fails_to_link(scene, "-lanswer", lacks(name), command=f"{compiler} -m64")
    archive(scene, ld, path, 4, argument="-lanswer", **{"needs": [name], **more})
    return scene


def test_the_archive_and_what_it_needs() -> None:
    scene = Scene(env=MUSL)
    ld = fails_to_link(scene, "-lanswer", lacks("__snprintf_chk"), lacks("fopen64"), command="musl-gcc -m64")
    archive(scene, ld, ARCHIVE, 4, argument="-lanswer", needs=["__snprintf_chk", "fopen64"])

    finding = scene.finding("glibc-archive-in-musl-build")

    assert finding.message == (
        f"{ARCHIVE} was compiled for glibc: it needs __snprintf_chk and 1 more, which musl does not have, and this "
        "program is linked for musl."
    )
    assert "__snprintf_chk" in proof(finding)
    assert lines(finding) == ["env CC=gcc go build ."]
    assert finding.fix[0].text == "Build libanswer.a with musl-gcc too, or take one that was built for musl."


@pytest.mark.parametrize("name", ["__strdup", "getcontext", "pread64", "__isoc23_strtol", "__libc_single_threaded"])
def test_names_that_only_glibc_has(name: str) -> None:
    assert name in scene_of(name).finding("glibc-archive-in-musl-build").message


def test_an_archive_of_a_module() -> None:
    path = "/home/u/go/pkg/mod/github.com/x/y@v1.0.0/liby_linux.a"
    scene = scene_of("__strdup", path=path)

    assert "behind a build tag, such as musl" in scene.finding("glibc-archive-in-musl-build").fix[0].text


def test_a_system_with_musl_has_no_compiler_for_glibc() -> None:
    scene = Scene()
    ld = fails_to_link(scene, "-lanswer", lacks("__strdup"), command="x86_64-alpine-linux-musl-gcc -m64")
    archive(scene, ld, ARCHIVE, 4, argument="-lanswer", needs=["__strdup"])

    assert lines(scene.finding("glibc-archive-in-musl-build")) == []


@pytest.mark.parametrize("name", ["sqlite3_open", "answer64", "strlcpy2"])
def test_names_of_nobodys_libc(name: str) -> None:
    assert scene_of(name).findings() == []


def test_a_link_for_glibc_is_another_matter() -> None:
    assert scene_of("__snprintf_chk", compiler="gcc").findings() == []


def test_the_objects_of_the_build_itself_were_compiled_for_musl() -> None:
    assert scene_of("getcontext", path=f"{GO_LINK}/000001.o").findings() == []


def test_an_archive_that_defines_it_comes_too_early() -> None:
    scene = Scene(env=MUSL)
    ld = fails_to_link(scene, "-lucontext -lanswer", lacks("getcontext"), command="musl-gcc -m64")
    archive(scene, ld, f"{HERE}/libucontext.a", 3, argument="-lucontext", defines=["getcontext"])
    archive(scene, ld, ARCHIVE, 4, argument="-lanswer", needs=["getcontext"])

    assert [finding.name for finding in scene.findings()] == ["link-order"]
