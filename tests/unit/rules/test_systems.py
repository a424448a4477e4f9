"""What a build lacks is lacking in the system that its tools ran in, which may not be gotrace's own."""

from __future__ import annotations

import msgspec
import pytest

from gotrace.events.model import Exec
from gotrace.rules.finding import Finding
from gotrace.rules.systems import System, system
from tests.unit.rules.scenes import ALPINE, DEBIAN, Scene, lines, missing_header

NAMESPACE = 4026532177
BULLSEYE = {"distribution": "debian", "distribution_version": "11", "distribution_codename": "bullseye"}


def lacks_zlib(
    root: str, mounts: int, *, user: str = "root", told: bool = True, host: dict[str, str] = DEBIAN
) -> Scene:
    """A build whose tools all run below a root folder, in a mount namespace; `told`: gotrace could look there."""
    scene = Scene(user=user, host=host)
    missing_header(scene, "zlib.h", "ex/app")
    scene.story.events[:] = [
        msgspec.structs.replace(event, root=root, mount_namespace=mounts) if isinstance(event, Exec) else event
        for event in scene.story.events
    ]
    if told:
        scene.story.fact("root", root, mount_namespace=mounts, **BULLSEYE)
    return scene


def finding_of(scene: Scene) -> Finding:
    return scene.finding("missing-header")


def test_a_package_for_a_root_folder_is_installed_there() -> None:
    scene = lacks_zlib("/srv/old", 0)

    finding = finding_of(scene)

    assert system(scene.trace()) == System("debian", "11", "/srv/old")
    assert "in none of the 6 folders that the compiler searched in the Debian 11 in /srv/old" in finding.message
    assert "for the Debian 11 in /srv/old, where the tools ran; so the package is called in" in finding.fix[0].text
    assert lines(finding) == ["chroot /srv/old apt-get install -y zlib1g-dev"]


def test_an_ordinary_user_enters_a_root_folder_by_sudo() -> None:
    assert lines(finding_of(lacks_zlib("/srv/old", 0, user="u"))) == [
        "sudo chroot /srv/old apt-get install -y zlib1g-dev"
    ]


@pytest.mark.parametrize("root", ["", "/srv/old"])
def test_a_container_is_named_and_not_entered(root: str) -> None:
    finding = finding_of(lacks_zlib(root, NAMESPACE, user="u"))

    assert f"for the Debian 11 in {root or 'another mount namespace'}, where the tools ran" in finding.fix[0].text
    assert lines(finding) == ["apt-get install -y zlib1g-dev"]


def test_the_package_is_that_of_the_root_also_on_a_machine_without_apt() -> None:
    assert lines(finding_of(lacks_zlib("/srv/old", 0, host=ALPINE))) == [
        "chroot /srv/old apt-get install -y zlib1g-dev"
    ]


def test_of_an_unknown_system_no_package_is_named() -> None:
    scene = lacks_zlib("/srv/old", 0, told=False)

    finding = finding_of(scene)

    assert lines(finding) == []
    assert "apt-get" not in finding.fix[0].text
    assert "in the system in /srv/old" in finding.message


def test_tools_of_the_root_that_did_not_fail_do_not_count() -> None:
    scene = Scene()
    with scene.run(1, "as -o x.o x.s"):
        pass
    scene.story.events[-2:] = [
        msgspec.structs.replace(event, root="/srv/old") if isinstance(event, Exec) else event
        for event in scene.story.events[-2:]
    ]
    missing_header(scene, "zlib.h", "ex/app")

    assert lines(finding_of(scene)) == ["apt-get install -y zlib1g-dev"]
    assert not system(scene.trace()).elsewhere


def test_where_tools_failed_in_several_systems_none_is_taken_for_granted() -> None:
    scene = lacks_zlib("/srv/old", 0)
    scene.story.events[:] = [
        msgspec.structs.replace(event, root="") if isinstance(event, Exec) and event.path.endswith("cc1") else event
        for event in scene.story.events
    ]

    assert lines(finding_of(scene)) == []


def test_sandboxes_of_one_system_count_as_one() -> None:
    scene = lacks_zlib("", NAMESPACE)
    scene.story.fact("root", "", mount_namespace=NAMESPACE + 1, **BULLSEYE)
    scene.story.events[:] = [
        msgspec.structs.replace(event, mount_namespace=NAMESPACE + 1)
        if isinstance(event, Exec) and event.path.endswith("cc1")
        else event
        for event in scene.story.events
    ]

    assert lines(finding_of(scene)) == ["apt-get install -y zlib1g-dev"]
    assert system(scene.trace()).title == "Debian 11"
