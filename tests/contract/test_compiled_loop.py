"""The compiled part of the ptrace source is there after `make setup`: the loop in Python is for where it cannot be."""

from __future__ import annotations

import re

from gotrace.sources.ptrace import compiled, stops
from tests.contract.sources_of_the_project import ROOT

FOLDER = ROOT / "gotrace/sources/ptrace"


def test_it_was_compiled_and_fits() -> None:
    assert (FOLDER / "_stops.so").is_file(), "`make setup` compiles it"
    assert compiled._load() is not None, (
        "_stops.so is older than its sources or compiled.py; `make setup` compiles it anew"
    )


def test_both_sides_number_the_stops_alike() -> None:
    text = (FOLDER / "stop.h").read_text()
    numbered = re.search(r"enum \{ GONE = 1, ([A-Z, ]+) \}", text)
    assert numbered is not None
    names = ["GONE", *numbered[1].split(", ")]
    assert {name: number for number, name in enumerate(names, 1)} == {what.name: what.value for what in stops.What}
