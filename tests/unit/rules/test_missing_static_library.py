"""missing-static-library: libc.a for a static link, and the startup objects of any link."""

from __future__ import annotations

from collections.abc import Sequence
from errno import ENOENT

import pytest

from tests.unit.rules.scenes import ALPINE, LIBRARY, Scene, lines, proof
from tests.unit.rules.test_recordings import diagnosis_of

CANNOT = ("/usr/bin/ld", ": cannot find ", "{0}", ": ", "No such file or directory", "\n")
CANNOT_IN_GERMAN = ("/usr/bin/ld", ": kann ", "{0}", " nicht finden", "\n")
CANNOT_TOGETHER = ("/usr/bin/ld", ": cannot find {0}: No such file or directory\n")


def cannot_link(
    scene: Scene,
    *,
    archives: Sequence[str] = (),
    objects: Sequence[str] = (),
    words: Sequence[str] = CANNOT,
    folders: Sequence[str] = LIBRARY,
    cc: str = "gcc -m64",
) -> None:
    """A static link (or one without startup objects) that fails."""
    flags = " ".join(["-static"] * bool(archives) + [*objects, f"-L{folders[0]}", *(f"-l{name}" for name in archives)])
    with (
        scene.link() as link,
        scene.run(link, f"{cc} -o a.out go.o", 1) as gcc,
    ):
        for name in objects:
            scene.searches(gcc, name, folders, "access")
        with scene.run(gcc, f"collect2 {flags}", 1) as collect2, scene.run(collect2, f"/usr/bin/ld {flags}", 1) as ld:
            for name in objects:
                scene.story.fails(ld, "openat", ENOENT, name)
                for piece in words:
                    scene.story.writes(ld, piece.format(name))
            for name in archives:
                scene.searches(ld, f"lib{name}.a", folders, "openat")
                for piece in words:
                    scene.story.writes(ld, piece.format(f"-l{name}"))


@pytest.mark.parametrize("words", [CANNOT, CANNOT_IN_GERMAN, CANNOT_TOGETHER])
def test_a_static_link_without_libc(words: Sequence[str]) -> None:
    scene = Scene()
    cannot_link(scene, archives=["c"], words=words)

    finding = scene.finding("missing-static-library")

    assert finding.message == (
        "This link is static, and the C library's libc.a is in none of the 5 folders that the linker searched; -static "
        "takes no shared library instead."
    )
    assert lines(finding) == ["apt-get install --reinstall -y libc6-dev"]
    assert 'libc.a"' in proof(finding)
    assert "".join(words).format("-lc").strip() in proof(finding)


def test_all_that_lacks_is_one_finding() -> None:
    scene = Scene()
    cannot_link(scene, archives=["m", "c"], objects=["crt1.o", "crti.o"])

    finding = scene.finding("missing-static-library")

    assert "libm.a and libc.a are in none of" in finding.message
    assert "crt1.o and crti.o neither" in finding.message


def test_another_library_stays_missing_library() -> None:
    scene = Scene()
    cannot_link(scene, archives=["foo", "c"])

    assert [finding.name for finding in scene.findings()] == ["missing-library", "missing-static-library"]


def test_no_package_is_guessed_elsewhere() -> None:
    scene = Scene(host=ALPINE)
    cannot_link(scene, archives=["c"])

    finding = scene.finding("missing-static-library")

    assert lines(finding) == []
    assert "libc.a" in finding.fix[0].text


def test_a_cross_build_needs_the_targets_own() -> None:
    env = {"GOARCH": "arm64", "CGO_ENABLED": "1", "CC": "aarch64-linux-gnu-gcc"}
    scene = Scene(env=env, tools=env)
    folders = ("/usr/lib/gcc-cross/aarch64-linux-gnu/12", "/usr/aarch64-linux-gnu/lib")
    cannot_link(scene, archives=["c"], cc="aarch64-linux-gnu-gcc", folders=folders)
    scene.story.fact("compiler", "/usr/bin/aarch64-linux-gnu-gcc", target="aarch64-linux-gnu", family="gcc")

    assert lines(scene.finding("missing-static-library")) == ["apt-get install --reinstall -y libc6-dev-arm64-cross"]


@pytest.mark.parametrize("words", [CANNOT, ()])
def test_a_startup_object(words: Sequence[str]) -> None:
    scene = Scene(user="alice")
    cannot_link(scene, objects=["Scrt1.o"], words=words)

    finding = scene.finding("missing-static-library")

    assert finding.message == (
        "The link needs the C library's startup object Scrt1.o, which the compiler found in none of its folders."
    )
    assert lines(finding) == ["sudo apt-get install --reinstall -y libc6-dev"]
    assert f'access("{LIBRARY[0]}/Scrt1.o"' in proof(finding)


def test_gccs_own_startup_object_is_not_in_the_c_librarys_package() -> None:
    scene = Scene()
    cannot_link(scene, objects=["crtbeginT.o"])

    finding = scene.finding("missing-static-library")

    assert "gcc's startup object crtbeginT.o" in finding.message
    assert lines(finding) == []


def test_objects_that_a_later_folder_has_are_none() -> None:
    scene = Scene()
    cannot_link(scene, archives=["foo"], folders=LIBRARY)
    with (
        scene.link() as link,
        scene.run(link, "gcc -o a.out go.o", 1) as gcc,
    ):
        scene.searches(gcc, "crt1.o", LIBRARY[:2], "access")
        with scene.run(gcc, f"collect2 {LIBRARY[2]}/crt1.o", 1) as collect2:
            scene.run(collect2, f"/usr/bin/ld {LIBRARY[2]}/crt1.o", 1)

    assert [finding.name for finding in scene.findings()] == ["missing-library"]


@pytest.mark.parametrize(
    ("name", "file"), [("static-without-archives", "libc.a"), ("startup-object-missing", "crt1.o")]
)
def test_real_ones(name: str, file: str) -> None:
    diagnosis = diagnosis_of(name)

    assert [finding.name for finding in diagnosis.findings] == ["missing-static-library"]
    assert file in diagnosis.findings[0].message
    assert diagnosis.not_evaluated == []


@pytest.mark.parametrize("name", ["static-without-archives.fixed-2", "startup-object-missing.fixed"])
def test_their_fixes_are_silent(name: str) -> None:
    diagnosis = diagnosis_of(name)

    assert (diagnosis.findings, diagnosis.not_evaluated) == ([], [])
