"""The line that asked for what failed, as the reports tell it."""

from __future__ import annotations

import json
from importlib import resources

import pytest
from jsonschema import Draft202012Validator

from gotrace.reports.json_report import JsonReport
from gotrace.reports.terminal import TerminalReport
from gotrace.reports.wording import place_of
from gotrace.rules.finding import Diagnosis, Source
from gotrace.trace.model import Trace
from tests.unit.reports.made import trace, wrong_compiler

SCHEMA = json.loads(resources.files("gotrace.reports").joinpath("schema/report-1.json").read_text())


def diagnosed(source: Source | None) -> tuple[Trace, Diagnosis]:
    made = trace(failed=True)
    diagnosis = wrong_compiler(made)
    diagnosis.findings[0].source = source
    return made, diagnosis


def asked_at(source: Source | None, *, width: int = 80, colour: bool = False) -> list[str]:
    text = TerminalReport(width=width, colour=colour).render(*diagnosed(source))
    return [line for line in text.splitlines() if "asked at" in line]


def test_it_is_one_line_of_the_form_that_go_and_gcc_have() -> None:
    source = Source("/home/ada/hello/main.go", 3, 13, "#include <foo/foo.h>", "ex/hello")
    assert asked_at(source) == ["  asked at  ./main.go:3:13: #include <foo/foo.h>"]
    assert asked_at(None) == []


@pytest.mark.parametrize(
    ("file", "folder", "expected"),
    [
        ("/home/ada/hello/main.go", "/home/ada/hello", "./main.go"),
        ("/home/ada/hello/sub/main.go", "/home/ada/hello", "sub/main.go"),
        ("/home/ada/other/main.go", "/home/ada/hello", "../other/main.go"),
        ("/opt/m/main.go", "/home/ada/hello/a/b/c", "/opt/m/main.go"),
        ("/home/ada/hello/main.go", "", "/home/ada/hello/main.go"),
        ("main.go", "/home/ada/hello", "main.go"),
    ],
)
def test_the_file_is_told_as_seen_from_the_command_where_that_is_shorter(file: str, folder: str, expected: str) -> None:
    assert place_of(Source(file, 7, 1, "", None), folder) == f"{expected}:7:1"


def test_the_place_is_never_cut_and_a_long_line_is() -> None:
    source = Source("/srv/" + "long/" * 30 + "main.go", 3, 13, "#cgo LDFLAGS: " + "-lfoo " * 100, None)
    (line,) = asked_at(source, width=60)
    assert f"{source.file}:3:13: #cgo LDFLAGS:" in line
    assert len(line) < len(source.file) + 80


def test_hostile_names_and_lines_are_escaped() -> None:
    source = Source("/home/ada/hello/\x1b]0;x\x07.go", 1, 1, "#include <\x1b[2J\n::error::[bold]x>", None)
    (line,) = asked_at(source)
    assert "\x1b" not in line
    assert "[bold]x" in line


def test_json_has_it_by_itself_and_the_schema_knows_it() -> None:
    source = Source("/home/ada/hello/main.go", 3, 13, "#include <foo/foo.h>", "ex/hello")
    document = json.loads(JsonReport().render(*diagnosed(source)))
    Draft202012Validator(SCHEMA).validate(document)
    (finding,) = document["findings"]
    assert finding["source"] == {
        "file": "/home/ada/hello/main.go",
        "line": 3,
        "column": 13,
        "text": "#include <foo/foo.h>",
        "package": "ex/hello",
    }
    assert finding["consequences"][0]["source"] is None
    finding["source"]["line"] = 0
    assert not Draft202012Validator(SCHEMA).is_valid(document)
