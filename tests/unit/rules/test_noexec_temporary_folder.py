"""noexec-temporary-folder: the kernel refuses what go run and go test made."""

from __future__ import annotations

from errno import EACCES, ENOENT

import pytest

from tests.unit.rules.scenes import Scene, lines, proof
from tests.unit.trace.events_for import WORK

TOOL = f"/home/u/.cache/go-build/ab/{'0' * 64}-d/stringer"


def refused(scene: Scene, path: str, error: int = EACCES) -> None:
    """An execve of a child that never became another program."""
    scene.story.forks(1, 70)
    scene.story.execs(70, [path], path=path, error=error)
    scene.story.exits(70, 1)


def place(scene: Scene, path: str, use: str, **data: object) -> None:
    known = {"there": path, "size": 1 << 40, "free": 1 << 39, "readonly": False, "noexec": False, "owner": "u"}
    scene.story.fact("place", path, **{**known, "use": use, "pid": 1, **data})


@pytest.mark.parametrize(
    ("command", "path"), [("go run .", f"{WORK}/b001/exe/hello"), ("go test ./...", f"{WORK}/b001/hello.test")]
)
def test_what_go_made_may_not_be_run(command: str, path: str) -> None:
    scene = Scene(command)
    refused(scene, path)
    place(scene, "/tmp", "GOTMPDIR", noexec=True)
    place(scene, "/home/u", "HOME")

    finding = scene.finding("noexec-temporary-folder")

    assert "in the temporary folder /tmp and may not run it: its file system is mounted with noexec" in finding.message
    assert "EACCES" in proof(finding)
    assert finding.confidence == 1.0
    assert lines(finding) == [f"env GOTMPDIR=/home/u {command}"]


def test_a_tool_in_the_build_cache() -> None:
    scene = Scene("go vet .")
    refused(scene, TOOL)
    place(scene, "/home/u/.cache/go-build", "GOCACHE", noexec=True)
    place(scene, "/srv", "HOME")

    finding = scene.finding("noexec-temporary-folder")

    assert "stringer in the build cache /home/u/.cache/go-build" in finding.message
    assert lines(finding) == ["env GOCACHE=/srv/.cache/gocache go vet ."]


def test_a_home_with_noexec_is_no_way_out() -> None:
    scene = Scene("go run .")
    refused(scene, f"{WORK}/b001/exe/hello")
    place(scene, "/tmp", "GOTMPDIR", noexec=True)
    place(scene, "/home/u", "HOME", noexec=True)

    assert lines(scene.finding("noexec-temporary-folder")) == []


def test_without_the_mount_options_it_is_less_sure() -> None:
    scene = Scene("go run .")
    refused(scene, f"{WORK}/b001/exe/hello")

    assert scene.finding("noexec-temporary-folder").confidence < 1.0


def test_a_refusal_for_another_reason_is_none() -> None:
    scene = Scene("go run .")
    refused(scene, f"{WORK}/b001/exe/hello")
    place(scene, "/tmp", "GOTMPDIR")

    assert scene.findings() == []


@pytest.mark.parametrize(("path", "error"), [(f"{WORK}/b001/exe/hello", ENOENT), ("/srv/hello", EACCES)])
def test_other_refusals_are_none(path: str, error: int) -> None:
    scene = Scene("go run .")
    refused(scene, path, error)
    place(scene, "/tmp", "GOTMPDIR", noexec=True)

    assert scene.findings() == []


def test_a_command_that_succeeded_is_none() -> None:
    scene = Scene("go run .", status=0)
    refused(scene, f"{WORK}/b001/exe/hello")
    place(scene, "/tmp", "GOTMPDIR", noexec=True)

    assert scene.findings() == []
