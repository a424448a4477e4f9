"""incomplete-compiler: gcc executes its parts along PATH, and collect2 looks for the linker."""

from __future__ import annotations

from collections.abc import Sequence
from errno import EACCES, ENOENT, ENOEXEC

import pytest

from tests.unit.rules.scenes import ALPINE, GCC, PATH, Scene, lines, proof
from tests.unit.rules.test_recordings import diagnosis_of
from tests.unit.trace.events_for import GCC_PARTS, WORK

OWN = (GCC_PARTS, "/usr/lib/gcc/x86_64-linux-gnu", f"{GCC_PARTS}/../../../../x86_64-linux-gnu/bin")
ENGLISH = "gcc: fatal error: cannot execute '{0}': execvp: No such file or directory\n"
GERMAN = "gcc: schwerwiegender Fehler: »{0}« kann nicht ausgeführt werden: execvp: Datei nicht gefunden\n"


def without_part(
    scene: Scene, name: str, *, words: str = ENGLISH, folders: Sequence[str] = PATH, cc: str = GCC
) -> None:
    """cgo's compile, for which gcc does not find a part of itself."""
    with scene.cgo("ex/hello") as cgo, scene.run(cgo, cc, 1) as gcc:
        scene.searches(gcc, name, OWN)
        child = gcc + 100
        scene.story.forks(gcc, child)
        for folder in folders:
            scene.story.execs(child, [name, "-quiet"], path=f"{folder}/{name}", error=ENOENT)
        scene.story.exits(child, 255)
        if words:
            scene.story.writes(gcc, words.format(name))


def without_linker(scene: Scene, *, chosen: str = "", folders: Sequence[str] = PATH, words: bool = True) -> None:
    """A link for which collect2 finds no linker."""
    name = f"ld.{chosen}" if chosen else "ld"
    flag = f" -fuse-ld={chosen}" if chosen else ""
    with (
        scene.link() as link,
        scene.run(link, f"gcc -m64 -o x go.o{flag}", 1) as gcc,
        scene.run(gcc, f"collect2{flag} go.o", 1) as collect2,
    ):
        scene.searches(collect2, "collect-ld", OWN)
        scene.searches(collect2, name, [*OWN[:2], *folders])
        scene.searches(collect2, "strip", PATH[:2])
        if words:
            scene.story.writes(collect2, "collect2: fatal error: cannot find 'ld'\n")


@pytest.mark.parametrize("words", [ENGLISH, GERMAN, ""])
def test_the_compiler_proper_is_missing_in_whatever_language(words: str) -> None:
    scene = Scene()
    without_part(scene, "cc1", words=words)

    finding = scene.finding("incomplete-compiler")

    assert finding.message == (
        "The compiler /usr/bin/gcc is there, but cc1 (its C compiler proper) is neither in its own folders nor in any "
        "of the 4 folders of PATH (package ex/hello)."
    )
    assert lines(finding) == ["apt-get install --reinstall -y cpp-12"]
    assert f'newfstatat(..., "{GCC_PARTS}/cc1"' in proof(finding)
    assert 'execve("/bin/cc1"' in proof(finding)
    assert words.format("cc1").strip() in proof(finding)
    assert finding.confidence == 1.0


@pytest.mark.parametrize(
    ("name", "packages"),
    [("as", "binutils binutils-x86-64-linux-gnu"), ("cc1plus", "g++-12"), ("collect2", "gcc-12")],
)
def test_the_packages_of_other_parts(name: str, packages: str) -> None:
    scene = Scene(user="alice")
    without_part(scene, name)

    assert lines(scene.finding("incomplete-compiler")) == [f"sudo apt-get install --reinstall -y {packages}"]


def test_no_package_is_guessed_elsewhere() -> None:
    scene = Scene(host=ALPINE)
    without_part(scene, "cc1")

    finding = scene.finding("incomplete-compiler")

    assert lines(finding) == []
    assert "cc1" in finding.fix[0].text


def test_a_part_that_a_later_folder_has_is_none_though_the_compile_fails() -> None:
    scene = Scene()
    with scene.cgo("ex/hello") as cgo, scene.run(cgo, GCC, 1) as gcc:
        child = gcc + 100
        scene.searches(gcc, "as", OWN)
        scene.story.forks(gcc, child)
        for folder in PATH[:2]:
            scene.story.execs(child, "as --64", path=f"{folder}/as", error=ENOENT)
        scene.story.execs(child, "as --64", path="/usr/bin/as")
        scene.story.writes(child, "x.s:1: Error: no such instruction: `foo'\n")
        scene.story.exits(child, 1)

    assert scene.findings() == []


def test_a_compiler_outside_of_path_finds_no_assembler() -> None:
    scene = Scene(env={"CC": "/opt/cross/bin/gcc"})
    without_part(scene, "as", cc=GCC.replace("gcc", "/opt/cross/bin/gcc", 1))

    finding = scene.finding("incomplete-compiler")

    assert "/opt/cross/bin" in finding.fix[0].text
    assert f"PATH={':'.join(PATH)}:/opt/cross/bin" in lines(finding)[0]


def test_a_part_that_may_not_be_executed() -> None:
    scene = Scene()
    with scene.cgo("ex/hello") as cgo, scene.run(cgo, GCC, 1) as gcc:
        scene.story.fails(gcc, "access", EACCES, f"{GCC_PARTS}/cc1")
        for folder in PATH:
            scene.story.execs(gcc, "cc1 -quiet", path=f"{folder}/cc1", error=ENOENT)

    finding = scene.finding("incomplete-compiler")

    assert f"{GCC_PARTS}/cc1 is there but cannot be executed" in finding.message
    assert lines(finding) == [f"chmod a+x {GCC_PARTS}/cc1"]


def test_a_part_for_another_machine() -> None:
    scene = Scene()
    with scene.cgo("ex/hello") as cgo, scene.run(cgo, GCC, 1) as gcc:
        scene.story.execs(gcc, "cc1 -quiet", path=f"{GCC_PARTS}/cc1", error=ENOEXEC)

    finding = scene.finding("incomplete-compiler")

    assert f"{GCC_PARTS}/cc1 is there but cannot be executed" in finding.message
    assert lines(finding) == []


@pytest.mark.parametrize("words", [True, False])
def test_the_linker_is_missing(words: bool) -> None:
    scene = Scene()
    without_linker(scene, words=words)

    finding = scene.finding("incomplete-compiler")

    assert "ld (the linker) is neither in its own folders nor in any of the 4 folders of PATH" in finding.message
    assert lines(finding) == ["apt-get install --reinstall -y binutils binutils-x86-64-linux-gnu"]


def test_a_linker_that_one_folder_may_have_is_none() -> None:
    scene = Scene()
    without_linker(scene, folders=PATH[:2])

    assert scene.findings() == []


def test_the_linker_that_an_option_of_the_command_asks_for() -> None:
    scene = Scene("go build -ldflags=-extldflags=-fuse-ld=gold .")
    without_linker(scene, chosen="gold")

    finding = scene.finding("incomplete-compiler")

    assert finding.message.startswith("-fuse-ld=gold asks /usr/bin/gcc for the linker ld.gold, and there is none")
    assert lines(finding)[0] == "env go build -ldflags=-extldflags=-fuse-ld=bfd ."


def test_the_linker_that_a_variable_asks_for() -> None:
    scene = Scene(env={"CGO_LDFLAGS": "-O2 -fuse-ld=gold"})
    without_linker(scene, chosen="gold")

    assert lines(scene.finding("incomplete-compiler"))[0] == "env CGO_LDFLAGS=-O2 -fuse-ld=bfd go build ."


def test_the_linker_that_go_itself_asks_for() -> None:
    scene = Scene()
    without_linker(scene, chosen="gold")

    assert lines(scene.finding("incomplete-compiler"))[0] == "env go build -ldflags=-extldflags=-fuse-ld=bfd ."


def test_one_finding_for_many_packages() -> None:
    scene = Scene()
    without_part(scene, "cc1")
    without_part(scene, "cc1")

    assert len(scene.findings()) == 1


def test_a_question_that_fails_is_none() -> None:
    scene = Scene(status=0)
    with scene.link(status=0) as link, scene.run(link, f"gcc -o {WORK}/a.out -no-pie /tmp/trivial.c", 1) as gcc:
        scene.story.execs(gcc, "as --64", path="/bin/as", error=ENOENT)

    assert scene.findings() == []


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("compiler-without-cc1", "cc1"),
        ("compiler-without-assembler", "as"),
        ("compiler-without-linker", "ld"),
        ("linker-chosen-is-missing", "ld.gold"),
    ],
)
def test_real_ones(name: str, part: str) -> None:
    diagnosis = diagnosis_of(name)

    assert [finding.name for finding in diagnosis.findings] == ["incomplete-compiler"]
    assert f" {part} " in diagnosis.findings[0].message.replace(",", " ")
    assert diagnosis.not_evaluated == []


@pytest.mark.parametrize("name", ["compiler-without-assembler.fixed"])
def test_its_fix_is_silent(name: str) -> None:
    diagnosis = diagnosis_of(name)

    assert (diagnosis.findings, diagnosis.not_evaluated) == ([], [])
