"""The folders of a failed build, and what their file systems allow."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gotrace.capture.facts.builds import GoBuild, go_builds
from gotrace.capture.facts.found import Found
from gotrace.capture.facts.places import place_facts
from gotrace.capture.facts.processes import Processes
from tests.stories import Story

GO = "/usr/local/go/bin/go"


def build_in(folder: Path, **env: str) -> GoBuild:
    story = Story()
    story.ends(story.starts("go", "build", path=GO, env=env, cwd=str(folder)), status=1)
    (build,) = go_builds(Processes(story.events), {}, str(folder))
    return build


def places(folder: Path, settings: dict[str, str], **env: str) -> dict[str, Found]:
    return {fact.data["use"]: fact for fact in place_facts(build_in(folder, **env), settings)}


def test_each_folder_by_the_variable_that_moves_it(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    found = places(tmp_path, {"GOCACHE": "/c", "GOTMPDIR": ""}, TMPDIR=str(tmp_path / "t"), HOME="/")

    assert {use: fact.subject for use, fact in found.items()} == {
        "GOCACHE": "/c",
        "GOTMPDIR": str(tmp_path / "t"),
        "HOME": "/",
        "": str(tmp_path),
    }


def test_the_c_compilers_folder_where_go_has_another(tmp_path: Path) -> None:
    found = places(tmp_path, {"GOTMPDIR": str(tmp_path)})

    assert (found["GOTMPDIR"].subject, found["TMPDIR"].subject) == (str(tmp_path), "/tmp")


def test_a_folder_that_is_not_there_is_told_by_the_one_above(tmp_path: Path) -> None:
    fact = places(tmp_path, {"GOCACHE": str(tmp_path / "not" / "there")})["GOCACHE"]
    system = os.statvfs(tmp_path)

    assert fact.data["there"] == str(tmp_path)
    assert fact.data["size"] == system.f_blocks * system.f_frsize
    assert fact.data["readonly"] is bool(system.f_flag & os.ST_RDONLY)


@pytest.mark.parametrize("folder", ["/proc", "/sys"])
def test_flags_of_the_mount(folder: str, tmp_path: Path) -> None:
    options = {
        words[4]: words[5].split(",")
        for line in Path("/proc/self/mountinfo").read_text().splitlines()
        if (words := line.split())
    }
    fact = places(tmp_path, {"GOCACHE": folder})["GOCACHE"]

    assert (fact.data["noexec"], fact.data["readonly"]) == ("noexec" in options[folder], "ro" in options[folder])
    assert fact.data["owner"] == "root"
