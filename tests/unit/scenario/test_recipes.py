"""Recipes: folders of files that a scenario copies, so that a reader can take what a scenario proves."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gotrace.resources import scenarios_dir
from gotrace.scenario.loader import ScenarioError, catalogue, load
from gotrace.scenario.page import page

RECIPES = scenarios_dir() / "recipes"
SCENARIO = """
title = "A recipe"
copy = "recipes/one"

[files]
"main.go" = "package other"

[reproduce]
command = ["make"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A scenario's file, with the recipe that it copies beside it."""
    (tmp_path / "recipes/one/sub").mkdir(parents=True)
    for name, text in {"go.mod": "module one\n", "main.go": "package main\n", "sub/sub.go": "package sub\n"}.items():
        (tmp_path / "recipes/one" / name).write_text(text)
    path = tmp_path / "a-recipe.toml"
    path.write_text(SCENARIO)
    return path


class TestCopying:
    def test_each_act_has_the_folders_files(self, file: Path) -> None:
        assert load(file).files["sub/sub.go"] == "package sub\n"

    def test_its_go_mod_counts(self, file: Path) -> None:
        assert load(file).files["go.mod"] == "module one\n"

    def test_what_the_scenario_says_itself_counts_more(self, file: Path) -> None:
        assert load(file).files["main.go"] == "package other"

    def test_what_was_built_in_it_is_not_copied(self, file: Path) -> None:
        (file.parent / "recipes/one/bin").mkdir()
        (file.parent / "recipes/one/bin/app").write_bytes(b"\x7fELF\xff")
        assert set(load(file).files) == {"go.mod", "main.go", "sub/sub.go"}

    def test_the_folder_is_no_scenario_itself(self, file: Path) -> None:
        assert [one.id for one in catalogue(file.parent)] == ["a-recipe"]

    def test_the_page_says_where_the_files_are_and_shows_them(self, file: Path) -> None:
        told = page(load(file))
        assert "a copy of `scenarios/recipes/one`" in told
        assert "`sub/sub.go`:\n\n```go\npackage sub\n```" in told

    @pytest.mark.parametrize("name", ["recipes/none", "recipes/one/main.go", "../recipes", "/etc", "."])
    def test_no_other_folder_than_one_beside_the_file(self, file: Path, name: str) -> None:
        file.write_text(SCENARIO.replace("recipes/one", name))
        with pytest.raises(ScenarioError, match="is no folder beside this file") as error:
            load(file)
        assert str(file) in error.value.message

    def test_a_file_that_is_no_text_is_named(self, file: Path) -> None:
        (file.parent / "recipes/one/app").write_bytes(b"\x7fELF\xff")
        with pytest.raises(ScenarioError, match=r"one/app is no text"):
            load(file)


class TestTheOnesOfGotrace:
    def test_each_is_proved_by_a_scenario_that_its_table_names(self) -> None:
        rows = re.findall(r"^\| \[([a-z-]+)\].*\| `([a-z-]+)` \|$", (RECIPES / "README.md").read_text(), re.MULTILINE)
        copied = {(one.copied.removeprefix("recipes/"), one.id) for one in catalogue() if one.copied}
        assert {name for name, _ in rows} == {path.name for path in RECIPES.iterdir() if path.is_dir()}
        assert set(rows) <= copied
