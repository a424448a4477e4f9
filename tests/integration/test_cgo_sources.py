"""Which line of a package asks for C: what the real go command knows of a module, and what its files say."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gotrace.capture.facts import gather
from gotrace.capture.facts.gopackages import parse_stream
from gotrace.events.recording import Header
from tests.stories import Story

_FILES = {
    "go.mod": "module ex/app\n\ngo 1.21\n",
    "main.go": """\
package main

import (
	"ex/app/store"
	"fmt"
)

/*
#cgo CFLAGS: -DFIRST
 #cgo linux LDFLAGS: -L${SRCDIR}/lib -lfirst
#include <stdio.h>
*/
import "C"

// #cgo LDFLAGS: -lsecond
import "C"

func main() { fmt.Println(C.EOF, store.Size()) }
""",
    "store/store.go": """\
package store

import (
	// #cgo pkg-config: first second
	// #include "größe.h" // of our own
	"C"
)

// #cgo LDFLAGS: -lnever
func Size() int { return int(C.SIZE) }
""",
    "store/plain.go": 'package store\n\n// #cgo LDFLAGS: -lneither\nimport _ "os"\n',
}


@pytest.fixture
def go() -> str:
    found = shutil.which("go")
    if found is None:
        pytest.skip("go is not installed; `make setup` installs it")
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in _FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def environment(**changes: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**kept, "GOENV": "off", "GOPROXY": "off", "GOTOOLCHAIN": "local", "CGO_ENABLED": "1", **changes}


def sources(
    go: str, folder: Path, *flags: str, role: str = "pkg-config", status: int = 1, said: str = ""
) -> dict[str, Any]:
    """The `cgosource` facts, by package, after a go command that is told, not run, and that failed for `role`."""
    story = Story()
    pid = story.starts("go", "build", *flags, ".", path=go, env=environment(), cwd=str(folder))
    below = story.starts(role, path=f"/usr/bin/{role}", parent=pid)
    story.ends(below, status=status)
    if said:
        story.says(pid, said)
    story.ends(pid, status=1)
    ticks = iter(range(1, 1_000))
    facts = gather(
        Header(),
        story.events,
        failed=True,
        env=environment(),
        cwd=str(folder),
        now_ns=lambda: next(ticks),
        seconds=60,
    )
    return {fact.subject: fact.data for fact in facts if fact.name == "cgosource"}


def test_the_package_that_was_asked_for_comes_first_and_the_library_after_it(go: str, folder: Path) -> None:
    found = sources(go, folder)
    assert list(found) == ["ex/app", "ex/app/store"]
    assert found["ex/app"]["dir"] == str(folder)
    assert found["ex/app"]["files"] == [
        {
            "name": "main.go",
            "import_c": [13, 8],
            "lines": [
                [9, 1, "#cgo CFLAGS: -DFIRST"],
                [10, 2, "#cgo linux LDFLAGS: -L${SRCDIR}/lib -lfirst"],
                [11, 1, "#include <stdio.h>"],
                [15, 4, "#cgo LDFLAGS: -lsecond"],
            ],
        }
    ]
    assert found["ex/app/store"]["files"] == [
        {
            "name": "store.go",
            "import_c": [6, 2],
            "lines": [[4, 5, "#cgo pkg-config: first second"], [5, 5, '#include "größe.h"']],
        }
    ]


def test_the_lines_are_those_that_go_itself_takes(go: str, folder: Path) -> None:
    asked = [go, "list", "-json=ImportPath,CgoCFLAGS,CgoLDFLAGS,CgoPkgConfig", "./..."]
    answer = subprocess.run(asked, cwd=folder, env=environment(), capture_output=True, text=True, check=True).stdout
    read = sources(go, folder)
    for package in parse_stream(answer):
        wanted = [word for name in ("CgoCFLAGS", "CgoLDFLAGS", "CgoPkgConfig") for word in package.get(name, [])]
        assert words(read[package["ImportPath"]]) == sorted(wanted)


def words(data: Mapping[str, Any]) -> list[str]:
    lines = (line for file in data["files"] for _, _, line in file["lines"] if line.startswith("#cgo"))
    given = (word for line in lines for word in line.partition(":")[2].split())
    return sorted(word.replace("${SRCDIR}", data["dir"]) for word in given)


def test_a_failure_that_has_nothing_to_do_with_c_asks_nothing(go: str, folder: Path) -> None:
    assert sources(go, folder, role="compile") == {}
    assert sources(go, folder, status=0) == {}
    assert sources(go, folder, status=0, said="ex/app: invalid flag in #cgo LDFLAGS: -x\n").keys() == {
        "ex/app",
        "ex/app/store",
    }


def test_a_password_in_a_line_is_not_recorded(go: str, folder: Path) -> None:
    text = (folder / "main.go").read_text().replace("-lsecond", "-L https://me:hunter2@libs.example/x")
    (folder / "main.go").write_text(text)
    found = sources(go, folder)
    assert "libs.example" in str(found)
    assert "hunter2" not in str(found)


def test_a_file_that_is_in_an_overlay_only_is_left_out(go: str, folder: Path) -> None:
    (folder / "other.txt").write_text('package store\n\nimport "C"\n')
    overlay = folder / "overlay.json"
    overlay.write_text(json.dumps({"Replace": {str(folder / "store/other.go"): str(folder / "other.txt")}}))
    (store,) = (data for path, data in sources(go, folder, "-overlay", str(overlay)).items() if path == "ex/app/store")
    assert [file["name"] for file in store["files"]] == ["store.go"]
