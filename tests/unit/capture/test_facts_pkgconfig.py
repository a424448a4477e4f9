"""What pkg-config did not find, and what it answers when it is asked once more."""

from __future__ import annotations

from pathlib import Path

from gotrace.capture.facts.asker import Asker
from gotrace.capture.facts.pkgconfig import answer_facts, pkgconfig_facts
from gotrace.capture.facts.processes import Processes
from tests.stories import Story

SCRIPT = "/usr/bin/pkg-config"


def test_where_a_file_lies_that_was_not_found(tmp_path: Path) -> None:
    (tmp_path / "third" / "pc").mkdir(parents=True)
    (tmp_path / "third" / "pc" / "gotrace-foo.pc").touch()
    story = Story()
    pid = story.starts(SCRIPT, "--cflags", "--", "gotrace-foo", cwd=str(tmp_path))
    story.misses(pid, "/usr/lib/pkgconfig/gotrace-foo-uninstalled.pc", "/usr/lib/pkgconfig/gotrace-foo.pc")
    story.ends(pid, status=1)

    (fact,) = pkgconfig_facts(Processes(story.events))

    assert (fact.name, fact.subject, fact.pid) == ("pkgconfig", "gotrace-foo", pid)
    assert fact.data["found"] == [str(tmp_path / "third" / "pc" / "gotrace-foo.pc")]


def test_what_a_package_requires_is_looked_for_too(tmp_path: Path) -> None:
    story = Story()
    pid = story.starts(SCRIPT, "--cflags", "--", "gotrace-foo", cwd=str(tmp_path))
    story.misses(pid, "/usr/lib/pkgconfig/gotrace-bar.pc")
    story.ends(pid, status=1)

    assert [fact.subject for fact in pkgconfig_facts(Processes(story.events))] == ["gotrace-foo", "gotrace-bar"]


def test_a_run_that_succeeds_is_no_question(tmp_path: Path) -> None:
    story = Story()
    story.runs([SCRIPT, "--cflags", "--", "gotrace-foo"], cwd=str(tmp_path))

    assert pkgconfig_facts(Processes(story.events)) == []


def answers_after(tmp_path: Path, link_status: int, script: str = 'echo "-L$FLAGS_IN -lfoo"') -> list[list[str]]:
    """The flags that a pkg-config gives which is a script, once a link ended like this."""
    program = tmp_path / "pkg-config"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    story = Story()
    for _ in range(2):
        story.runs([str(program), "--libs", "--", "foo"], cwd=str(tmp_path))
    story.runs(["/usr/bin/ld", "-lfoo"], status=link_status, cwd=str(tmp_path))
    found = answer_facts(Processes(story.events), Asker(30.0), {"FLAGS_IN": "/opt", "PATH": "/usr/bin:/bin"})
    return [list(fact.data["flags"]) for fact in found if fact.subject == "--libs -- foo"]


def test_after_a_failed_link_each_question_is_asked_once_more(tmp_path: Path) -> None:
    assert answers_after(tmp_path, 1) == [["-L/opt", "-lfoo"]]


def test_after_a_link_that_succeeds_nobody_asks(tmp_path: Path) -> None:
    assert answers_after(tmp_path, 0) == []


def test_no_answer_is_no_fact(tmp_path: Path) -> None:
    assert answers_after(tmp_path, 1, "exit 1") == []
