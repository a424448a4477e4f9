"""What is asked about a Go build, and under which circumstances."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotrace.capture.facts.asker import NoAnswerError
from gotrace.capture.facts.builds import GoBuild, go_builds
from gotrace.capture.facts.found import Found
from gotrace.capture.facts.goenv import written_names
from gotrace.capture.facts.gopackages import matters, parse_stream, question
from gotrace.capture.facts.processes import Processes
from tests.stories import Story

_GO = "/usr/local/go/bin/go"


def builds(story: Story, env: dict[str, str] | None = None, cwd: str = "/src") -> list[GoBuild]:
    return list(go_builds(Processes(story.events), env or {}, cwd))


def one_build(line: str, *, env: dict[str, str] | None = None, status: int = 0) -> GoBuild:
    story = Story()
    pid = story.starts(*line.split(), path=_GO, env=env)
    story.ends(pid, status=status)
    (build,) = builds(story)
    return build


def goenv(written: tuple[str, ...] = (), **values: str) -> Found:
    return Found("goenv", _GO, {"values": values, "written": list(written), "pid": 1})


def test_commands_that_build_nothing_are_left_alone() -> None:
    story = Story()
    for words in (["env"], ["list", "./..."], ["mod", "tidy"], ["version"], []):
        story.runs([_GO, *words], cwd="/src")
    assert builds(story) == []


def test_failed_builds_come_first() -> None:
    story = Story()
    story.runs([_GO, "build", "./a"], cwd="/src")
    story.runs([_GO, "build", "./b"], status=1, cwd="/src")
    assert [build.command.patterns for build in builds(story)] == [("./b",), ("./a",)]


def test_the_toolchain_that_a_go_command_switched_to_is_asked() -> None:
    story = Story()
    pid = story.starts("go", "build", path=_GO)
    story.becomes(pid, "go", "build", path="/home/u/go/pkg/mod/golang.org/toolchain@v0.0.1-go1.30.0.linux-amd64/bin/go")
    story.ends(pid)
    assert ["go1.30.0" in build.path for build in builds(story)] == [True]


def test_it_is_asked_in_the_folder_of_the_build() -> None:
    story = Story()
    story.runs(["./go/bin/go", "build", "-C", "sub"], cwd="/elsewhere")
    (build,) = builds(story)
    assert (build.path, build.folder) == ("/elsewhere/go/bin/go", "/elsewhere/sub")


def test_the_environment_is_that_of_the_command_changed_as_was_seen() -> None:
    story = Story()
    story.starts(_GO, "build", env={"GOARCH": "arm64", "GOFLAGS": "-mod=mod", "GOPROXY": "https://***@proxy.example"})
    env = {
        "GOPROXY": "https://user:word@proxy.example",  # seen masked: the same
        "GOFLAGS": "-mod=vendor",  # changed by the script that ran go
        "CC": "clang",  # taken away by it
        "SECRET_SAUCE": "kept",  # never recorded, so never seen
    }
    (build,) = builds(story, env)
    assert build.env == {
        "GOARCH": "arm64",
        "GOFLAGS": "-mod=mod",
        "GOPROXY": "https://user:word@proxy.example",
        "SECRET_SAUCE": "kept",
    }


def test_a_question_never_downloads(tmp_path: Path) -> None:
    story = Story()
    story.starts(_GO, "build", env={"GOPROXY": "direct", "GOTOOLCHAIN": "auto"}, cwd=str(tmp_path))
    (build,) = builds(story)
    env = build.query_env(CGO_ENABLED="1")
    assert (env["GOPROXY"], env["GOTOOLCHAIN"], env["CGO_ENABLED"]) == ("off", "local", "1")
    assert env["PWD"] == str(tmp_path)


def test_a_folder_behind_a_symlink_keeps_the_users_name(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.symlink_to(real)
    story = Story()
    story.starts(_GO, "build", env={"PWD": str(link)}, cwd=str(real))
    (build,) = builds(story)
    assert build.query_env()["PWD"] == str(link)


@pytest.mark.parametrize(
    ("env", "written", "cgo", "status", "expected"),
    [
        ({}, (), "1", 1, False),
        ({}, (), "0", 0, True),
        ({"CGO_ENABLED": "0"}, (), "0", 0, False),
        ({}, ("CGO_ENABLED",), "0", 0, False),
        ({"CGO_ENABLED": ""}, (), "0", 0, True),
        ({"CGO_ENABLED": "0"}, (), "0", 1, True),
    ],
)
def test_packages_matter_where_cgo_was_lost_unasked_or_the_build_failed_without_it(
    env: dict[str, str], written: tuple[str, ...], cgo: str, status: int, expected: bool
) -> None:
    build = one_build("go build", env=env, status=status)
    assert matters(build, goenv(written, CGO_ENABLED=cgo)) is expected


@pytest.mark.parametrize(("status", "expected"), [(1, True), (0, False)])
def test_packages_matter_where_c_files_were_refused_without_cgo(status: int, expected: bool) -> None:
    story = Story()
    go = story.starts(_GO, "build", env={"CGO_ENABLED": "1"}, cwd="/src")
    story.says(go, "package ex: C source files not allowed when not using cgo or SWIG: f.c\n")
    story.ends(go, status=status)
    (build,) = builds(story)
    assert matters(build, goenv(CGO_ENABLED="1")) is expected


def test_packages_are_asked_for_with_the_builds_own_flags() -> None:
    build = one_build("go build -v -race -tags a,b -ldflags -s -o x -modfile=alt.mod ./cmd/...")
    argv = question(build, goenv(GOVERSION="go1.26.6"))
    assert argv[:4] == [_GO, "list", "-e", "-deps"]
    assert "-buildvcs=false" in argv
    assert any(word.startswith("-json=ImportPath,") for word in argv)
    assert argv[-5:] == ["-tags=a,b", "-modfile=alt.mod", "-race", "--", "./cmd/..."]


def test_tests_are_listed_with_what_they_import() -> None:
    assert "-test" in question(one_build("go test ./..."), goenv(GOVERSION="go1.26.6"))


@pytest.mark.parametrize(("version", "fields", "buildvcs"), [("go1.17.13", False, False), ("go1.18", False, True)])
def test_an_old_go_is_asked_as_it_understands(version: str, fields: bool, buildvcs: bool) -> None:
    argv = question(one_build("go build"), goenv(GOVERSION=version))
    assert ("-json" in argv, "-buildvcs=false" in argv) == (not fields, buildvcs)


@given(st.lists(st.dictionaries(st.text(), st.text() | st.lists(st.text()))))
def test_a_stream_of_objects_is_read_whole(packages: list[dict[str, Any]]) -> None:
    expected = [{**package, "ImportPath": "p"} for package in packages]
    text = "".join(json.dumps(package, indent="\t") + "\n" for package in expected)
    assert list(parse_stream(text)) == expected


@pytest.mark.parametrize("text", ["go: error", '{"ImportPath": "p"', '{"Dir": "/"}', "[]", '{"ImportPath": 1}'])
def test_anything_else_is_no_answer(text: str) -> None:
    with pytest.raises(NoAnswerError):
        list(parse_stream(text))


def test_written_names_are_those_that_go_reads() -> None:
    text = "# comment\nCGO_ENABLED=0\nCC=gcc -x=y\nlower=1\n=2\nnothing\nGOFLAGS=\n"
    assert written_names(text) == ["CC", "CGO_ENABLED", "GOFLAGS"]


@given(st.text())
def test_no_text_breaks_reading_them(text: str) -> None:
    assert all("A" <= name[0] <= "Z" for name in written_names(text))
