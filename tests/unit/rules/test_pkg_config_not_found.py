"""pkg-config-not-found: the go command looks for pkg-config in folder after folder, and starts nothing."""

from __future__ import annotations

from errno import ENOENT

from tests.unit.rules.scenes import ALPINE, PATH, Scene, healthy, lines, proof
from tests.unit.rules.test_recordings import diagnosis_of

NOT_FOUND = 'ex/vips: exec: "{0}": executable file not found in $PATH\n'


def looks_in_vain(scene: Scene, name: str = "pkg-config", words: str = NOT_FOUND) -> None:
    """The go command's search along PATH, and its words."""
    scene.searches(1, name)
    scene.story.writes(1, words.format(name))


def test_a_recorded_build_without_it_and_one_with_it() -> None:
    broken, mended = diagnosis_of("pkg-config-not-found"), diagnosis_of("pkg-config-not-found.fixed")

    assert [finding.name for finding in broken.findings] == ["pkg-config-not-found"]
    assert "(needed by the #cgo pkg-config line of package scenario)" in broken.findings[0].message
    assert mended.findings == []


def test_it_says_where_go_looked_and_what_to_install() -> None:
    scene = Scene()
    looks_in_vain(scene)

    finding = scene.finding("pkg-config-not-found")

    assert f"pkg-config is in none of the {len(PATH)} folders of PATH" in finding.message
    assert "package ex/vips" in finding.message
    assert lines(finding) == ["apt-get install -y pkg-config"]
    assert '"/usr/bin/pkg-config", ...) = -1 ENOENT' in proof(finding)


def test_without_gos_words_its_calls_suffice() -> None:
    scene = Scene()
    scene.searches(1, "pkg-config")

    assert scene.finding("pkg-config-not-found").confidence == 1.0


def test_where_one_folder_was_not_asked_it_was_found_there() -> None:
    scene = Scene()
    scene.searches(1, "pkg-config", PATH[:-1])

    assert scene.findings() == []


def test_the_one_that_pkg_config_names() -> None:
    scene = Scene(env={"PKG_CONFIG": "aarch64-linux-gnu-pkg-config"})
    looks_in_vain(scene, "aarch64-linux-gnu-pkg-config")

    finding = scene.finding("pkg-config-not-found")

    assert "(PKG_CONFIG=aarch64-linux-gnu-pkg-config)" in finding.message
    assert lines(finding) == ["env PKG_CONFIG=pkg-config go build ."]


def test_no_package_is_guessed_on_other_systems() -> None:
    scene = Scene(host=ALPINE)
    looks_in_vain(scene)

    assert lines(scene.finding("pkg-config-not-found")) == []


def test_one_that_cannot_be_executed() -> None:
    scene = Scene()
    scene.story.forks(1, 50)
    scene.story.execs(50, "pkg-config --cflags -- vips", path="/usr/local/bin/pkg-config", error=ENOENT)
    scene.story.exits(50, 1)

    finding = scene.finding("pkg-config-not-found")

    assert "/usr/local/bin/pkg-config cannot be executed: the interpreter" in finding.message


def test_a_build_that_succeeds_is_well() -> None:
    scene = Scene(status=0)
    healthy(scene)
    scene.searches(1, "pkg-config")

    assert scene.findings() == []
