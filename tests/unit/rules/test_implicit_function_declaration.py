"""implicit-function-declaration: a call without a declaration, where the compiler refuses it."""

from __future__ import annotations

import pytest

from tests.unit.rules.scenes import Scene, lines, proof

TAG = "[-Wimplicit-function-declaration]"
ZIG = (
    "answer.c:1:27: error: call to undeclared function 'atoi'; ISO C99 and later do not support implicit function "
    f"declarations {TAG}"
)
GCC_14 = f"answer.c:1:27: error: implicit declaration of function 'atoi' {TAG}"
GCC_12 = f"answer.c:1:27: warning: implicit declaration of function 'atoi' {TAG}"
WERROR = GCC_12.replace("warning", "error").replace("[-W", "[-Werror=")


def refuses(scene: Scene, *told: str, status: int = 1, command: str = "cc1 -quiet answer.c", **compiler: str) -> None:
    with scene.run(1, "gcc -m64 -c answer.c", status) as gcc, scene.run(gcc, command, status) as cc1:
        for line in told:
            scene.story.writes(cc1, f"{line}\n")
    if compiler:
        scene.story.fact("compiler", "/usr/bin/gcc", **compiler)


def test_zig_refuses_what_gcc_only_warned_of() -> None:
    scene = Scene(env={"CC": "zig cc"})
    with scene.run(1, "zig cc -c answer.c", 1) as zig:
        scene.story.writes(zig, f"{ZIG}\n")

    finding = scene.finding("implicit-function-declaration")

    assert finding.message == (
        "answer.c:1 calls atoi, which no header there declares: an error for zig, where gcc before 14 only warns."
    )
    assert "undeclared function 'atoi'" in proof(finding)
    assert finding.fix[0].text == "Include the header that declares it (`man atoi` may name it) in answer.c."
    assert lines(finding) == [
        "env CC=zig cc CGO_CFLAGS=-O2 -g -Wno-error=implicit-function-declaration go build .",
    ]


@pytest.mark.parametrize(
    "line",
    [
        GCC_14,
        WERROR,
        f"answer.c:1:27: Fehler: Implizite Deklaration der Funktion »atoi« {TAG}",
        f"answer.c:1:27: erreur: déclaration implicite de la fonction « atoi » {TAG}",
    ],
)
def test_gcc_in_any_language(line: str) -> None:
    scene = Scene()
    refuses(scene, line)

    assert "answer.c:1 calls atoi" in scene.finding("implicit-function-declaration").message


def test_the_header_that_the_compiler_knows() -> None:
    scene = Scene()
    refuses(scene, GCC_14, "answer.c:1:1: note: include '<stdlib.h>' or provide a declaration of 'atoi'")

    assert scene.finding("implicit-function-declaration").fix[0].text == "Include <stdlib.h> in answer.c."


def test_a_warning_that_an_option_makes_an_error() -> None:
    scene = Scene()
    refuses(scene, WERROR)

    assert scene.finding("implicit-function-declaration").message.endswith("declares: -Werror makes an error of it.")


def test_the_users_own_flags_are_kept() -> None:
    scene = Scene(env={"CGO_CFLAGS": "-O1"})
    refuses(scene, GCC_14)

    (line,) = lines(scene.finding("implicit-function-declaration"))
    assert line == "env CGO_CFLAGS=-O1 -Wno-error=implicit-function-declaration go build ."


def test_several_calls_of_a_file_are_one_finding() -> None:
    scene = Scene()
    refuses(scene, GCC_14, GCC_14.replace("atoi", "free").replace(":1:", ":9:"))

    assert "answer.c:1 calls atoi (and 1 more), which" in scene.finding("implicit-function-declaration").message


@pytest.mark.parametrize(
    "told",
    [
        [GCC_12, "answer.c:2:1: error: unknown type name 'nothing'"],
        ["answer.c:1:27: Warnung: Implizite Deklaration der Funktion »atoi« " + TAG, "answer.c:2:1: Fehler: 'x'"],
        ["answer.c:1:27: error: 'atoi' undeclared (first use in this function)"],
    ],
)
def test_a_warning_is_not_why_it_failed(told: list[str]) -> None:
    scene = Scene()
    refuses(scene, *told)

    assert scene.findings() == []


def test_a_compile_that_succeeds() -> None:
    scene = Scene(status=0)
    refuses(scene, GCC_12, status=0)

    assert scene.findings() == []
