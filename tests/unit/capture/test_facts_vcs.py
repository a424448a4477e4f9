"""What git says when it is asked once more."""

from __future__ import annotations

from pathlib import Path

from gotrace.capture.facts.asker import Asker
from gotrace.capture.facts.found import Found
from gotrace.capture.facts.processes import Processes
from gotrace.capture.facts.vcs import vcs_facts
from tests.stories import Story

REFUSES = '#!/bin/sh\necho "fatal: $LC_ALL $GIT_DIR" >&2\necho more >&2\nexit 128\n'


def facts(tmp_path: Path, *words: str, status: int = 128, go_status: int = 1, script: str = REFUSES) -> list[Found]:
    """The facts after a go command ran a git which is a script."""
    program = tmp_path / "git"
    program.write_text(script)
    program.chmod(0o755)
    story = Story()
    go = story.starts("go", "build", path="/usr/local/go/bin/go", cwd=str(tmp_path))
    git = story.starts("git", *words, path=str(program), parent=go, cwd=str(tmp_path))
    story.ends(git, status=status)
    story.ends(go, status=go_status)
    env = {"GIT_DIR": "x.git", "LC_ALL": "de_DE.UTF-8", "PATH": "/usr/bin:/bin"}
    return list(vcs_facts(Processes(story.events), Asker(30.0), env))


def test_it_is_asked_again_in_english_with_the_commands_environment(tmp_path: Path) -> None:
    (fact,) = facts(tmp_path, "status", "--porcelain")

    assert (fact.name, fact.subject) == ("vcs", str(tmp_path))
    assert fact.data["says"] == "fatal: C x.git"


def test_only_what_failed_under_a_failed_go_command(tmp_path: Path) -> None:
    assert facts(tmp_path, "status", "--porcelain", status=0) == []
    assert facts(tmp_path, "status", "--porcelain", go_status=0) == []
    assert facts(tmp_path, "fetch") == []


def test_a_git_that_answers_now_says_nothing(tmp_path: Path) -> None:
    assert facts(tmp_path, "status", "--porcelain", script="#!/bin/sh\n") == []
