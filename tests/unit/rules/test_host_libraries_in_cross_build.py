"""host-libraries-in-cross-build: ld skips libraries of the host, to whose folder something sent it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gotrace.rules.finding import Finding
from tests.unit.rules.scenes import Scene, lines, proof
from tests.unit.rules.test_recordings import diagnosis_of

CROSS = {"GOARCH": "arm64", "CGO_ENABLED": "1", "CC": "aarch64-linux-gnu-gcc"}
HOST = "/usr/lib/x86_64-linux-gnu"
OWN = "/usr/aarch64-linux-gnu/lib"


def scene_of(env: Mapping[str, str] | None = None) -> Scene:
    """A cross build for arm64."""
    whole = {**CROSS, **(env or {})}
    return Scene(env=whole, tools=whole)


ENGLISH = (
    "ld: skipping incompatible {0}/lib{1}.so when searching for -l{1}\n",
    "ld: cannot find -l{1}: No such file or directory\n",
)
GERMAN = (
    "ld: überspringe inkompatibles {0}/lib{1}.so bei der Suche nach -l{1}\n",
    "ld: -l{1} kann nicht gefunden werden: Datei oder Verzeichnis nicht gefunden\n",
)


def skips(
    scene: Scene,
    *names: str,
    folder: str = HOST,
    machine: str = "x86_64",
    words: Sequence[str] = ENGLISH,
    prefix: str = "aarch64-linux-gnu-",
) -> None:
    """A link of the cross compiler that finds libraries only for another machine."""
    flags = " ".join([f"-L{folder}", *(f"-l{name}" for name in names)])
    with (
        scene.link() as link,
        scene.run(link, f"{prefix}gcc -o a.out go.o {flags}", 1) as gcc,
        scene.run(gcc, f"collect2 go.o {flags}", 1) as collect2,
        scene.run(collect2, f"{prefix}ld {flags}", 1) as ld,
    ):
        for name in names:
            scene.searches(ld, f"lib{name}.a", [folder, OWN], "openat")
            scene.searches(ld, f"lib{name}.so", [OWN], "openat")
            for line in words:
                scene.story.writes(ld, line.format(folder, name))
    scene.story.fact("compiler", "/usr/bin/aarch64-linux-gnu-gcc", target="aarch64-linux-gnu", family="gcc")
    for name in names:
        file = {"path": f"{folder}/lib{name}.so", "kind": "so", "machine": machine, "searched": True}
        scene.story.fact("library", name, found=[file])


def asks(scene: Scene, name: str, folder: str, command: str = "pkg-config") -> None:
    """A run of pkg-config that answers, and what it answers when it is asked once more."""
    with scene.run(1, f"{command} --libs -- {name}"):
        pass
    scene.story.fact("pkgconfig_libs", f"--libs -- {name}", flags=[f"-L{folder}", f"-l{name}"])


def consequences(finding: Finding) -> list[str]:
    return [one.name for one in finding.consequences]


def test_a_recorded_build_with_the_hosts_answer_and_one_with_the_targets() -> None:
    name = "host-pkg-config-in-cross-build"
    broken, mended = diagnosis_of(name), diagnosis_of(f"{name}.fixed")

    assert [finding.name for finding in broken.findings] == ["host-libraries-in-cross-build"]
    assert consequences(broken.findings[0]) == ["missing-library"]
    assert mended.findings == []


def test_pkg_config_answers_for_the_host() -> None:
    scene = scene_of()
    asks(scene, "foo", "/opt/foo/lib")
    skips(scene, "foo", folder="/opt/foo/lib")

    finding = scene.finding("host-libraries-in-cross-build")

    assert "pkg-config answers for this machine: for foo it names /opt/foo/lib" in finding.message
    assert "the build is for linux/arm64" in finding.message.lower()
    assert "PKG_CONFIG_LIBDIR=/usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig" in lines(finding)[0]
    assert "pkg-config" in proof(finding)
    assert "skipping incompatible" in proof(finding)


def test_a_path_of_the_host_goes_with_the_fix() -> None:
    scene = scene_of({"PKG_CONFIG_PATH": "/opt/foo/lib/pkgconfig"})
    asks(scene, "foo", "/opt/foo/lib")
    skips(scene, "foo", folder="/opt/foo/lib")

    (line,) = lines(scene.finding("host-libraries-in-cross-build"))

    assert "PKG_CONFIG_PATH= go build ." in line


def test_a_pkg_config_that_was_told_of_the_target_is_not_to_blame() -> None:
    scene = scene_of({"PKG_CONFIG_LIBDIR": "/opt/foo/lib/pkgconfig"})
    asks(scene, "foo", "/opt/foo/lib")
    skips(scene, "foo", folder="/opt/foo/lib")

    assert [finding.name for finding in scene.findings()] == ["missing-library"]


def test_a_pkg_config_of_the_target_is_not_to_blame() -> None:
    scene = scene_of({"PKG_CONFIG": "aarch64-linux-gnu-pkg-config"})
    asks(scene, "foo", "/opt/foo/lib", "aarch64-linux-gnu-pkg-config")
    skips(scene, "foo", folder="/opt/foo/lib")

    assert [finding.name for finding in scene.findings()] == ["missing-library"]


def test_a_folder_in_cgo_ldflags() -> None:
    scene = scene_of({"CGO_LDFLAGS": "-O2 -L/opt/native"})
    skips(scene, "foo", folder="/opt/native")

    finding = scene.finding("host-libraries-in-cross-build")

    assert "CGO_LDFLAGS names /opt/native" in finding.message
    assert lines(finding) == ["env CGO_ENABLED=1 GOARCH=arm64 CC=aarch64-linux-gnu-gcc CGO_LDFLAGS=-O2 go build ."]


def test_a_folder_of_the_system_from_a_cgo_line_and_the_package_for_the_target() -> None:
    scene = scene_of()
    skips(scene, "z")

    finding = scene.finding("host-libraries-in-cross-build")

    assert f"a #cgo line names {HOST}" in finding.message
    assert "zlib1g-dev:arm64" in lines(finding)[0]
    assert "#cgo linux,amd64 LDFLAGS" in finding.fix[1].text


def test_all_libraries_of_one_folder_are_one_finding() -> None:
    scene = scene_of()
    skips(scene, "z", "foo")

    assert consequences(scene.finding("host-libraries-in-cross-build")) == ["missing-library", "missing-library"]


def test_a_library_that_the_project_brings_along_is_another_matter() -> None:
    scene = scene_of()
    skips(scene, "foo", folder="/home/u/hello/lib")

    assert [finding.name for finding in scene.findings()] == ["missing-library"]


def test_a_library_for_a_third_machine_is_not_the_hosts() -> None:
    scene = scene_of()
    skips(scene, "foo", machine="riscv64")

    assert [finding.name for finding in scene.findings()] == ["missing-library"]


def test_in_another_language() -> None:
    scene = scene_of()
    skips(scene, "z", words=GERMAN)

    assert consequences(scene.finding("host-libraries-in-cross-build")) == ["missing-library"]


def test_a_library_of_the_host_by_its_path() -> None:
    path = f"{HOST}/libz.so"
    scene = scene_of({"CGO_LDFLAGS": path})
    with (
        scene.link() as link,
        scene.run(link, f"aarch64-linux-gnu-gcc -o a.out go.o {path}", 1) as gcc,
        scene.run(gcc, f"collect2 go.o {path}", 1) as collect2,
        scene.run(collect2, f"aarch64-linux-gnu-ld go.o {path}", 1) as ld,
    ):
        scene.story.writes(ld, f"ld: {path}: file in wrong format\n")
    scene.story.fact("compiler", "/usr/bin/aarch64-linux-gnu-gcc", target="aarch64-linux-gnu", family="gcc")
    scene.story.fact("library", path, found=[{"path": path, "kind": "so", "machine": "x86_64", "searched": True}])

    finding = scene.finding("host-libraries-in-cross-build")

    assert f"CGO_LDFLAGS names {HOST}, where libz.so is for linux/amd64" in finding.message
    assert consequences(finding) == ["missing-library"]


def test_a_native_build_has_no_host_to_confuse_it_with() -> None:
    scene = Scene(env={"CGO_LDFLAGS": "-L/opt/arm"})
    skips(scene, "foo", folder="/opt/arm", machine="aarch64", prefix="")

    assert [finding.name for finding in scene.findings()] == ["missing-library"]
