"""vcs-stamping-failed: git does not answer, so go does not build."""

from __future__ import annotations

import pytest

from tests.unit.rules.scenes import EVERYTHING, Scene, lines, proof

SAYS = "error obtaining VCS status: exit status 128\n\tUse -buildvcs=false to disable VCS stamping.\n"
DUBIOUS = "fatal: detected dubious ownership in repository at '/home/u/hello'"


def asks_git(scene: Scene, status: int = 128, command: str = "git status --porcelain") -> None:
    with scene.run(1, command, status):
        pass


def test_a_folder_that_git_does_not_trust() -> None:
    scene = Scene(env={"GOFLAGS": "-mod=mod"})
    asks_git(scene)
    scene.story.writes(1, SAYS)
    scene.story.fact("vcs", "/home/u/hello", command=["git", "status", "--porcelain"], says=DUBIOUS)

    finding = scene.finding("vcs-stamping-failed")

    assert "`git status --porcelain` ended with status 128 in /home/u/hello" in finding.message
    assert "belongs to another user" in finding.message
    assert "exited with 128" in proof(finding)
    assert lines(finding) == [
        "env GOFLAGS=-mod=mod -buildvcs=false go build .",
        "git config --global --add safe.directory /home/u/hello",
    ]


@pytest.mark.parametrize("command", ["git -c log.showsignature=false log -1 --format=%H:%ct", "hg log -l1"])
def test_another_question_and_no_reason(command: str) -> None:
    scene = Scene()
    asks_git(scene, command=command)
    scene.story.writes(1, SAYS)

    finding = scene.finding("vcs-stamping-failed")

    assert lines(finding) == ["env GOFLAGS=-buildvcs=false go build ."]


def test_gits_own_words() -> None:
    scene = Scene()
    asks_git(scene)
    scene.story.writes(1, SAYS)
    scene.story.fact("vcs", "/home/u/hello", command=[], says="fatal: not a git repository: ../.git/modules/x")

    assert scene.finding("vcs-stamping-failed").message.endswith(": not a git repository: ../.git/modules/x.")


def test_git_may_fail_for_another_purpose() -> None:
    scene = Scene()
    asks_git(scene)
    scene.story.writes(1, "main.go:3:1: undefined: x\n")

    assert scene.findings() == []


@pytest.mark.parametrize("command", ["git ls-remote origin", "git fetch", "gitk status"])
def test_other_commands_are_none(command: str) -> None:
    scene = Scene()
    asks_git(scene, command=command)
    scene.story.writes(1, SAYS)

    assert scene.findings() == []


def test_git_that_answers_is_none() -> None:
    scene = Scene()
    asks_git(scene, 0)
    scene.story.writes(1, SAYS)

    assert scene.findings() == []


def test_a_build_that_went_on_is_none() -> None:
    scene = Scene(status=0)
    asks_git(scene)
    scene.story.writes(1, SAYS)

    assert scene.findings() == []


def test_without_gos_words_it_is_less_sure() -> None:
    scene = Scene(observes=[facet for facet in EVERYTHING if facet != "stderr_text"])
    asks_git(scene)

    (finding,) = scene.diagnosis().findings

    assert (finding.name, finding.confidence) == ("vcs-stamping-failed", 0.8)
