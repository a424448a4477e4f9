"""What holds for every file of the project: its size, and what must not stand in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.contract.sources_of_the_project import ROOT, project_files

LONGEST = 400
CODE = {".py", ".c", ".h", ".sh"}

# Each is put together from two halves, so that this file does not hold what it forbids.
FORBIDDEN = {
    "the host of a package registry": "|".join(
        re.escape(first + last)
        for first, last in [
            ("pypi", ".org"),
            ("pythonhosted", ".org"),
            ("deb.debian", ".org"),
            ("archive.ubuntu", ".com"),
            ("proxy.golang", ".org"),
            ("sum.golang", ".org"),
            ("registry.npmjs", ".org"),
        ]
    ),
    "a path of somebody's machine": r"(?<![\w$.-])/(?:wo" + r"rk|fa" + r"rm)/|/tmp/ba" + r"sh_jobs|/opt/whe" + r"els",
    "work that is left undone": r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b|NotImplemented" + r"Error",
}


def text_of(path: Path) -> str:
    return (ROOT / path).read_bytes().decode(errors="replace")


def test_no_source_file_is_longer_than_one_idea_needs() -> None:
    lengths = {str(path): text_of(path).count("\n") for path in project_files() if path.suffix in CODE}
    assert lengths
    assert {path: length for path, length in lengths.items() if length > LONGEST} == {}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_holds(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what])
    found = [
        f"{path}:{number}: {line.strip()[:100]}"
        for path in project_files()
        for number, line in enumerate(text_of(path).splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []


def test_shell_scripts_stop_at_the_first_error() -> None:
    scripts = [path for path in project_files() if text_of(path).startswith("#!/usr/bin/env bash")]
    assert Path(".ci/run") in scripts
    assert [str(path) for path in scripts if "\nset -euo pipefail\n" not in text_of(path)] == []
    assert [str(path) for path in scripts if not (ROOT / path).stat().st_mode & 0o100] == []


def test_probes_declare_both_licences() -> None:
    probes = [path for path in project_files() if path.parts[0] == "probes" and path.suffix in {".c", ".h"}]
    ours = [path for path in probes if "include" not in path.parts]
    assert ours
    declared = re.compile(r"SPDX-License-Identifier: (MIT OR GPL-2\.0-only|Dual MIT/GPL)\n")
    assert [str(path) for path in ours if not declared.search(text_of(path))] == []
