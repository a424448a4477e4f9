"""pkg-config-package-missing: pkg-config looks for NAME.pc in each of its folders, and fails."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.unit.rules.scenes import Scene, healthy, lines, proof
from tests.unit.rules.test_recordings import diagnosis_of

FOLDERS = ("/usr/lib/x86_64-linux-gnu/pkgconfig", "/usr/lib/pkgconfig", "/usr/share/pkgconfig")
PKGCONF = "Package {0} was not found in the pkg-config search path.\nPackage '{0}', required by '{1}', not found\n"
FREEDESKTOP = "Package {0} was not found in the pkg-config search path.\nNo package '{0}' found\n"
CROSS = {"GOARCH": "arm64", "CGO_ENABLED": "1", "CC": "aarch64-linux-gnu-gcc"}


def asks(
    scene: Scene,
    *names: str,
    lacks: str | None = None,
    folders: Sequence[str] = FOLDERS,
    words: str = PKGCONF,
    by: str = "virtual:world",
    status: int = 1,
) -> None:
    """A run of pkg-config that lacks one package, the one it was asked for unless `lacks` names another."""
    name = lacks or names[0]
    with scene.run(1, f"pkg-config --cflags -- {' '.join(names)}", status) as pid:
        for folder in folders:
            scene.searches(pid, f"{name}-uninstalled.pc", [folder], "openat")
            scene.searches(pid, f"{name}.pc", [folder], "openat")
        scene.story.writes(pid, words.format(name, by))
    if status:
        told = f"# ex/pkg\n# [pkg-config --cflags  -- {' '.join(names)}]\n{words.format(name, by)}"
        scene.story.writes(1, told)


@pytest.mark.parametrize("name", ["pkg-config-package-missing", "pkg-config-requirement-missing"])
def test_recorded_builds_that_lack_it_and_that_have_it(name: str) -> None:
    broken, mended = diagnosis_of(name), diagnosis_of(f"{name}.fixed")

    assert [finding.name for finding in broken.findings] == ["pkg-config-package-missing"]
    assert broken.findings[0].confidence == 1.0
    assert mended.findings == []


@pytest.mark.parametrize("words", [PKGCONF, FREEDESKTOP])
def test_what_is_missing_who_asked_and_what_to_install(words: str) -> None:
    scene = Scene()
    asks(scene, "vips", words=words)

    finding = scene.finding("pkg-config-package-missing")

    assert "pkg-config does not find vips: none of the 3 folders that it searched has vips.pc" in finding.message
    assert "package ex/pkg" in finding.message
    assert lines(finding) == ["apt-get install -y libvips-dev"]
    assert "/usr/share/pkgconfig/vips.pc" in proof(finding)


def test_an_unknown_package_is_named_and_none_guessed() -> None:
    scene = Scene()
    asks(scene, "foo")

    finding = scene.finding("pkg-config-package-missing")

    assert lines(finding) == []
    assert "foo.pc" in finding.fix[0].text


def test_what_another_package_requires() -> None:
    scene = Scene()
    asks(scene, "foo", lacks="bar", by="foo")

    assert "does not find bar, which foo requires," in scene.finding("pkg-config-package-missing").message


def test_a_file_in_a_folder_that_is_not_searched() -> None:
    scene = Scene(env={"PKG_CONFIG_PATH": "/old"})
    asks(scene, "foo")
    scene.story.fact("pkgconfig", "foo", found=["/opt/foo/lib/pkgconfig/foo.pc"], complete=True)

    finding = scene.finding("pkg-config-package-missing")

    assert "though there is /opt/foo/lib/pkgconfig/foo.pc" in finding.message
    assert lines(finding) == ["env PKG_CONFIG_PATH=/opt/foo/lib/pkgconfig:/old go build ."]


def test_the_hosts_file_is_no_help_to_a_cross_build() -> None:
    scene = Scene(env=CROSS, tools=CROSS)
    asks(scene, "vips")
    scene.story.fact("pkgconfig", "vips", found=["/opt/vips/lib/pkgconfig/vips.pc"], complete=True)

    finding = scene.finding("pkg-config-package-missing")

    assert "/opt" not in finding.message
    install, look = lines(finding)
    assert "dpkg --add-architecture arm64" in install
    assert "libvips-dev:arm64" in install
    assert "PKG_CONFIG_LIBDIR=/usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig" in look


def test_no_folder_of_the_search_path_exists() -> None:
    scene = Scene(env={"PKG_CONFIG_LIBDIR": "/nowhere"})
    with scene.run(1, "pkg-config --cflags -- foo", 1) as pid:
        scene.searches(pid, "nowhere", [""], "newfstatat")
        scene.story.writes(pid, PKGCONF.format("foo", "virtual:world"))

    finding = scene.finding("pkg-config-package-missing")

    assert "no folder that it was to search exists; /nowhere, which is named in the environment" in finding.message
    assert finding.confidence == 0.8


def test_a_failure_for_another_reason_is_none() -> None:
    scene = Scene()
    with scene.run(1, "pkg-config --cflags -- foo", 1) as pid:
        for folder in FOLDERS[:2]:
            scene.searches(pid, "foo-uninstalled.pc", [folder], "openat")
            scene.searches(pid, "foo.pc", [folder], "openat")
        scene.searches(pid, "foo-uninstalled.pc", FOLDERS[2:], "openat")
        scene.story.writes(pid, "Package dependency requirement 'foo >= 9' could not be satisfied.\n")

    assert scene.findings() == []


def test_a_package_found_in_the_last_folder_is_well() -> None:
    scene = Scene(status=0)
    healthy(scene)
    asks(scene, "foo", folders=FOLDERS[:2], words="", status=0)

    assert scene.findings() == []


def test_a_script_that_asks_and_goes_on_is_well() -> None:
    scene = Scene("make all", status=0)
    asks(scene, "foo")

    assert scene.findings() == []
