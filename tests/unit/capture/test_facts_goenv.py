"""What go.mod and go.work ask for, as the goenv fact has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gotrace.capture.facts.goenv import required_lines


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("module x\n\ngo 1.99\n", "1.99"),
        ("module x\r\ngo 1.23.4\r\n", "1.23.4"),
        ("module x\ngo 1.23rc1 // soon\ntoolchain go1.99.0\n", "1.23rc1"),
    ],
)
def test_the_go_line_of_a_module(tmp_path: Path, text: str, version: str) -> None:
    file = tmp_path / "go.mod"
    file.write_bytes(text.encode())
    assert required_lines({"GOMOD": str(file), "GOWORK": ""}) == {"go.mod": version}


def test_a_workspace_has_a_line_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("module x\ngo 1.21\n")
    (tmp_path / "go.work").write_text("go 1.99\nuse .\n")
    values = {"GOMOD": str(tmp_path / "go.mod"), "GOWORK": str(tmp_path / "go.work")}
    assert required_lines(values) == {"go.mod": "1.21", "go.work": "1.99"}


@pytest.mark.parametrize("name", ["", "off", "/dev/null", "/nowhere/go.mod"])
def test_no_module(name: str) -> None:
    assert required_lines({"GOMOD": name, "GOWORK": name}) == {}


def test_a_module_without_a_go_line(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("module go\n// go 1.99\nrequire go v1.2.3\n")
    assert required_lines({"GOMOD": str(tmp_path / "go.mod")}) == {}
