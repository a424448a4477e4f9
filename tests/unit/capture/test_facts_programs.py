"""Programs that were to be static: where go wrote them, and whether they name a loader."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from gotrace.capture.facts.builds import go_builds
from gotrace.capture.facts.processes import Processes
from gotrace.capture.facts.programs import program_facts
from tests.stories import Story
from tests.unit.elf.test_interpreter import program

LOADER = "/lib64/ld-linux-x86-64.so.2"
LINK = "/usr/local/go/pkg/tool/linux_amd64/link"


def asked(
    folder: Path,
    line: str,
    *,
    package: str = "ex/hello",
    flags: tuple[str, ...] = ("-extldflags", "-static"),
    env: dict[str, str] | None = None,
    status: int = 0,
) -> dict[str, dict[str, Any]]:
    """The facts after a go command in this folder that linked one program, by path."""
    story = Story()
    go = story.starts(*line.split(), path="/usr/local/go/bin/go", cwd=str(folder), env=env or {})
    tools = {**(env or {}), "TOOLEXEC_IMPORTPATH": package}
    link = story.starts(LINK, "-o", "/tmp/go-build1/b001/exe/a.out", *flags, parent=go, env=tools, cwd=str(folder))
    story.ends(link)
    story.ends(go, status=status)
    processes = Processes(story.events)
    return {one.subject: one.data for one in program_facts(processes, list(go_builds(processes, {}, str(folder))))}


def write(path: Path, loader: str | None = LOADER) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(program(loader))
    return path


@pytest.mark.parametrize(
    ("line", "package", "file"),
    [
        ("go build .", "ex/hello", "hello"),
        ("go build", "ex/hello/v2", "hello"),
        ("go build -o app .", "ex/hello", "app"),
        ("go build -o bin ./...", "ex/hello", "bin/hello"),
        ("go build a.go b.go", "command-line-arguments", "a"),
    ],
)
def test_where_go_writes(tmp_path: Path, line: str, package: str, file: str) -> None:
    path = write(tmp_path / file)

    facts = asked(tmp_path, line, package=package)

    assert list(facts) == [str(path)]
    assert facts[str(path)] == {"package": package, "interpreter": LOADER, "needed": [], "pid": 100, "link": 101}


@pytest.mark.parametrize(("variable", "folder"), [("GOBIN", "bin"), ("GOPATH", ".")])
def test_where_go_installs(tmp_path: Path, variable: str, folder: str) -> None:
    path = write(tmp_path / "bin/hello")

    assert list(asked(tmp_path, "go install .", env={variable: str((tmp_path / folder).resolve())})) == [str(path)]


def test_a_static_program_has_no_loader(tmp_path: Path) -> None:
    path = write(tmp_path / "hello", loader=None)

    assert asked(tmp_path, "go build .")[str(path)]["interpreter"] is None


@pytest.mark.parametrize("line", ["go test .", "go run .", "go build -o /dev/null ."])
def test_what_is_nowhere_is_not_told(tmp_path: Path, line: str) -> None:
    write(tmp_path / "hello")

    assert asked(tmp_path, line) == {}


def test_an_older_file_is_not_the_result(tmp_path: Path) -> None:
    os.utime(write(tmp_path / "hello"), (0, 0))

    assert asked(tmp_path, "go build ./...") == {}


def test_only_links_that_were_to_be_static_and_went_well(tmp_path: Path) -> None:
    write(tmp_path / "hello")

    assert asked(tmp_path, "go build .", flags=("-extldflags", "-lm")) == {}
    assert asked(tmp_path, "go build .", status=1) == {}
    assert asked(tmp_path / "elsewhere", "go build .") == {}
