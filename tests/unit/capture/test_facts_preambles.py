"""Comments above import "C" that an empty line parts from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gotrace.capture.facts.preambles import Detached, detached_comment, preamble_facts
from gotrace.capture.facts.processes import Processes
from tests.stories import Story

DETACHED = 'package p\n\n// int f(void);\n\nimport "C"\n\nfunc F() { C.f() }\n'
UNKNOWN = "a.go:7:12: could not determine what C.f refers to\n"


def facts(folder: Path, source: str, words: str = UNKNOWN, status: int = 2) -> list[dict[str, Any]]:
    (folder / "a.go").write_text(source)
    story = Story()
    cgo = story.starts("cgo", "a.go", path="/usr/local/go/pkg/tool/linux_amd64/cgo", cwd=str(folder))
    story.says(cgo, words)
    story.ends(cgo, status=status)
    found = list(preamble_facts(Processes(story.events)))
    assert all((fact.name, fact.subject) == ("preamble", str(folder / "a.go")) for fact in found)
    return [{key: value for key, value in fact.data.items() if key != "pid"} for fact in found]


def test_the_name_stands_in_it(tmp_path: Path) -> None:
    assert facts(tmp_path, DETACHED) == [{"empty_lines": [4, 4], "mentions": ["f"], "includes": []}]


def test_it_includes_a_header(tmp_path: Path) -> None:
    source = DETACHED.replace("// int f(void);", '/*\n  #include <stdlib.h>\n #  include "x.h"\n*/\n')
    assert facts(tmp_path, source) == [{"empty_lines": [7, 8], "mentions": [], "includes": ["stdlib.h", "x.h"]}]


@pytest.mark.parametrize(
    "source",
    [
        DETACHED.replace("int f(void);", "A licence, of a file."),
        DETACHED.replace("int f(void);", "int off(void);"),
        DETACHED.replace("\n\nimport", "\nimport"),
        'package p\n\nimport "C"\n',
        'package p\n\n// int f(void);\n\nimport "fmt"\n',
    ],
)
def test_no_preamble(source: str, tmp_path: Path) -> None:
    assert facts(tmp_path, source) == []


def test_only_for_names_that_a_failed_cgo_did_not_know(tmp_path: Path) -> None:
    assert facts(tmp_path, DETACHED, status=0) == []
    assert facts(tmp_path, DETACHED, "a.go:7:12: something else\n") == []


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    assert facts(tmp_path, DETACHED, UNKNOWN.replace("a.go", "b.go")) == []


def test_a_comment_on_one_line() -> None:
    assert detached_comment('package p\n/* int f(void); */\n\n\nimport "C"\n') == Detached("/* int f(void); */", 3, 4)
