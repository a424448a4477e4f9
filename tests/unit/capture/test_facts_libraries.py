"""Libraries that a linker did not find, and the files there are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gotrace.capture.facts import libraries
from gotrace.capture.facts.libraries import library_facts
from gotrace.capture.facts.processes import Processes
from tests.stories import Story
from tests.unit.elf.test_dynamic import shared_object
from tests.unit.elf.test_header import archive, elf


@pytest.fixture(autouse=True)
def _nothing_but_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libraries, "_USUAL_FOLDERS", ())
    monkeypatch.setattr(libraries, "_FOLDERS_OF_TARGETS", ())


def linking(*, looks_for: dict[str, list[Path]], says: str = "", status: int = 1) -> dict[str, list[dict[str, Any]]]:
    """Found files by name, after a linker run that missed each library in the folders given."""
    story = Story()
    pid = story.starts("/usr/bin/ld", "-o", "a.out")
    for name, folders in looks_for.items():
        for folder in folders:
            story.misses(pid, f"{folder}/lib{name}.so", f"{folder}/lib{name}.a")
    story.says(pid, says)
    story.ends(pid, status=status)
    return {fact.subject: fact.data["found"] for fact in library_facts(Processes(story.events))}


def test_only_the_versioned_library_is_there(tmp_path: Path) -> None:
    (tmp_path / "libfoo.so.1").write_bytes(shared_object("libfoo.so.1"))
    (tmp_path / "libfoobar.so").write_bytes(shared_object("libfoobar.so"))
    assert linking(looks_for={"foo": [tmp_path, tmp_path / "none"]}) == {
        "foo": [
            {
                "path": f"{tmp_path}/libfoo.so.1",
                "machine": "x86_64",
                "soname": "libfoo.so.1",
                "kind": "versioned so",
                "searched": True,
            }
        ]
    }


def test_every_kind_of_file_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "libfoo.a").write_bytes(archive(elf(183)))
    (tmp_path / "libfoo.so").write_text("/* GNU ld script */\nGROUP ( /lib/libfoo.so.6 )\n")
    (tmp_path / "libfoo.so.6").write_bytes(shared_object("libfoo.so.6"))
    (tmp_path / "libfoo.so.7").write_text("some notes")
    found = linking(looks_for={"foo": [tmp_path]})["foo"]
    assert [(Path(one["path"]).name, one["kind"], one["machine"]) for one in found] == [
        ("libfoo.a", "archive", "aarch64"),
        ("libfoo.so", "linker script", None),
        ("libfoo.so.6", "versioned so", "x86_64"),
    ]


def test_a_library_found_further_on_is_not_missing(tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    assert linking(looks_for={"c": [first], "foo": [first, second]}).keys() == {"foo"}


def test_a_library_for_another_machine_is_named_by_the_linker(tmp_path: Path) -> None:
    here, there = tmp_path / "1", tmp_path / "2"
    here.mkdir()
    (here / "libz.so").write_bytes(elf(183) + bytes(44))
    found = linking(
        looks_for={"foo": [here, there], "z": [there]},
        says=f"ld: skipping incompatible {here}/libz.so when searching for -lz\nld: cannot find -lz: No such file\n",
    )
    assert [one["machine"] for one in found["z"]] == ["aarch64"]


def test_other_folders_of_the_machine_are_looked_into_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "libfoo.so").write_bytes(shared_object("libfoo.so.1"))
    monkeypatch.setattr(libraries, "_USUAL_FOLDERS", (str(elsewhere),))
    found = linking(looks_for={"foo": [tmp_path]})["foo"]
    assert [(one["kind"], one["searched"]) for one in found] == [("so", False)]


def test_a_folder_searched_under_two_names_is_listed_once(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib64").symlink_to("lib")
    (tmp_path / "lib" / "libfoo.so.1").write_bytes(shared_object("libfoo.so.1"))
    assert len(linking(looks_for={"foo": [tmp_path / "lib", tmp_path / "lib64"]})["foo"]) == 1


def test_a_linker_that_succeeded_missed_nothing(tmp_path: Path) -> None:
    assert linking(looks_for={"foo": [tmp_path]}, status=0) == {}


@pytest.mark.parametrize(
    "words",
    [
        "ld: %s: error adding symbols: file in wrong format",
        "ld:%s: file format not recognized; treating as linker script",
        "ld : %s : erreur lors de l'ajout de symboles : fichier dans un mauvais format",
    ],
)
def test_a_library_that_the_linker_refused_by_its_path(tmp_path: Path, words: str) -> None:
    path = tmp_path / "libfoo.so"
    path.write_bytes(elf(183))
    other = tmp_path / "libbar.so"
    story = Story()
    pid = story.starts("/usr/bin/ld", "go.o", str(path), str(other))
    story.says(pid, f"{words % path}\n")
    story.says(pid, "/usr/bin/ld: /elsewhere/libbaz.so: file in wrong format\n")
    story.ends(pid, status=1)

    (fact,) = library_facts(Processes(story.events))

    assert (fact.subject, [one["machine"] for one in fact.data["found"]]) == (str(path), ["aarch64"])
