"""large-file-names-dropped: pread64 and off64_t in a compile for musl."""

from __future__ import annotations

import pytest

from tests.unit.rules.scenes import Scene, lines, proof

MUSL = {"CC": "musl-gcc"}
PREAD = "os_unix.c:5:38: error: 'pread64' undeclared here (not in a function); did you mean 'pread'?"
OFF = "os_unix.c:9:5: error: unknown type name 'off64_t'; did you mean 'off_t'?"


def compiles(scene: Scene, *told: str, command: str = "musl-gcc -m64 -c os_unix.c", status: int = 1) -> None:
    with scene.run(1, command, status) as gcc, scene.run(gcc, "cc1 -quiet os_unix.c", status) as cc1:
        for line in told:
            scene.story.writes(cc1, f"{line}\n")


def test_names_for_large_files() -> None:
    scene = Scene(env=MUSL)
    compiles(scene, PREAD, OFF)

    finding = scene.finding("large-file-names-dropped")

    assert finding.message == (
        "os_unix.c:5 uses pread64 (off64_t too), which musl declares only for _LARGEFILE64_SOURCE: since 1.2.4, "
        "_GNU_SOURCE does not bring it any more."
    )
    assert "'pread64' undeclared here" in proof(finding)
    assert lines(finding) == ["env CC=musl-gcc CGO_CFLAGS=-O2 -g -D_LARGEFILE64_SOURCE go build ."]
    assert finding.fix[1].text.startswith("In code of your own: pread, with #define _FILE_OFFSET_BITS 64")


@pytest.mark.parametrize(
    "line",
    [
        "os_unix.c:5:38: error: use of undeclared identifier 'pread64'",
        "os_unix.c:5:38: error: call to undeclared function 'pread64'; ISO C99 [-Wimplicit-function-declaration]",
        "os_unix.c:5:38: Fehler: »pread64« ist hier nicht deklariert (nicht in einer Funktion); meinten Sie »pread«?",
        "os_unix.c:5:38: erreur: « pread64 » non déclaré ici (hors de toute fonction)",
    ],
)
def test_other_compilers_and_languages(line: str) -> None:
    """Where it is a call, the missing declaration is the consequence."""
    scene = Scene(env=MUSL)
    compiles(scene, line)

    assert "os_unix.c:5 uses pread64, which" in scene.finding("large-file-names-dropped").message


@pytest.mark.parametrize("triple", ["x86_64-alpine-linux-musl", "x86_64-linux-musl"])
def test_the_compiler_of_a_system_with_musl(triple: str) -> None:
    scene = Scene()
    compiles(scene, OFF, command=f"{triple}-gcc -c os_unix.c")

    assert "uses off64_t, which" in scene.finding("large-file-names-dropped").message


def test_glibc_has_them() -> None:
    """There it is another problem: a macro that is lacking for all systems."""
    scene = Scene()
    compiles(scene, PREAD, command="gcc -m64 -c os_unix.c")

    assert scene.findings() == []


@pytest.mark.parametrize("name", ["base64", "htobe64", "uint64_t", "pread63"])
def test_other_names_that_end_in_64(name: str) -> None:
    scene = Scene(env=MUSL)
    compiles(scene, PREAD.replace("pread64", name))

    assert scene.findings() == []


def test_the_macro_is_there_and_does_not_help() -> None:
    scene = Scene(env=MUSL)
    compiles(scene, PREAD, command="musl-gcc -D_LARGEFILE64_SOURCE -c os_unix.c")

    assert scene.findings() == []


def test_a_compile_that_succeeds() -> None:
    scene = Scene(env=MUSL, status=0)
    compiles(scene, "os_unix.c:5:38: warning: implicit declaration of function 'pread64'", status=0)

    assert scene.findings() == []
