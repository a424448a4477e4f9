"""`gotrace scenario list`, `show` and `new`: what runs nothing."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from gotrace.cli.scenarios import chosen, template
from gotrace.scenario.loader import load
from tests.unit.cli.conftest import Gotrace
from tests.unit.cli.scenarios import copy_elsewhere, fake, folder

__all__ = ["fake", "folder"]


def test_help_names_every_command(gotrace: Gotrace) -> None:
    done = gotrace("scenario")
    assert (done.code, done.out) == (2, "")
    for command in ("list", "show", "run", "verify", "new"):
        assert f"\n  {command} " in done.err
        shown = gotrace("scenario", command, "--help")
        assert shown.code == 0
        assert f"  gotrace scenario {command}" in shown.out.partition("Example")[2]


def test_list_has_a_line_for_each(gotrace: Gotrace, folder: Path) -> None:
    assert gotrace("scenario", "list") == (
        0,
        "id           finding             verdict  environment  title\n"
        "healthy      -                   -        host         All is well\n"
        "no-compiler  compiler-not-found  false    host         No compiler\n",
        "",
    )


def test_list_as_json(gotrace: Gotrace, folder: Path) -> None:
    healthy, failure = json.loads(gotrace("scenario", "list", "--json").out)["scenarios"]
    assert (healthy["id"], healthy["rule"], healthy["verdict"]) == ("healthy", None, None)
    assert failure == {
        "id": "no-compiler",
        "title": "No compiler",
        "rule": "compiler-not-found",
        "verdict": "false",
        "environment": "host",
        "requires": ["go"],
        "tags": [],
        "fixes": 2,
    }


def test_gotraces_own_are_all_listed(gotrace: Gotrace) -> None:
    listed = json.loads(gotrace("scenario", "list", "--json").out)["scenarios"]
    assert [one["id"] for one in listed] == chosen.ids()
    assert "wrong-target-compiler" in chosen.ids()


def test_show_tells_all_of_it(gotrace: Gotrace, folder: Path) -> None:
    done = gotrace("scenario", "show", "no-compiler")
    assert done.code == 0
    for line in (
        "# no-compiler",
        "- finding: `compiler-not-found`",
        "- reported in: <https://example.org/issue/1>",
        "Nothing is **there**: #include \\<x.h>, `#include <y.h>`, <https://example.org>",
        "    #include <z.h>",
        "> CC_\\<os>_\\<arch> chooses",
        "Said in the article, chapter 2.4.",
        "**False.** It does not.",
        "## Reproduce",
        "mkdir sub",
        "env -u CXX CC=/no/gcc go build -o 'the app' .",
        "- exit status 1",
        "- it prints what matches `not found`",
        "- no exec event with path matching `gcc$`",
        "## Fix 1: Name one that is there",
        "## Fix 2: As gotrace says",
        "# the command that gotrace printed, with CC= in it",
    ):
        assert f"\n{line}\n" in f"\n{done.out}"


def test_show_reads_a_file_from_elsewhere_and_lets_it_do_nothing(gotrace: Gotrace, folder: Path) -> None:
    mine = copy_elsewhere(folder, folder.parent)
    mine.write_text(mine.read_text().replace("**there**:", "\\u001b[2J"))
    done = gotrace("scenario", "show", mine)
    assert done.code == 0
    assert "Nothing is \\x1b[2J " in done.out


def test_an_id_that_is_nearly_right_is_suggested(gotrace: Gotrace, folder: Path) -> None:
    done = gotrace("scenario", "show", "no-compilr")
    assert done.code == 2
    assert done.err.startswith(
        "gotrace: error: no scenario has the id 'no-compilr'; did you mean no-compiler?\n  gotrace scenario list"
    )


def test_a_file_that_is_not_there(gotrace: Gotrace, folder: Path) -> None:
    done = gotrace("scenario", "show", "./nothing.toml")
    assert done.code == 2
    assert "nothing.toml: No such file or directory" in done.err


def test_ids_are_completed(folder: Path) -> None:
    assert chosen.completed("") == ["healthy", "no-compiler"]
    assert chosen.completed("no") == ["no-compiler"]


def test_new_writes_what_loads(gotrace: Gotrace, tmp_path: Path) -> None:
    done = gotrace("scenario", "new", "my-failure", "--folder", tmp_path)
    path = tmp_path / "my-failure.toml"
    assert (done.code, done.err) == (0, "")
    assert done.out == f"{path}\nTry it: gotrace scenario run {path} --trust\n"
    one = load(path)
    assert (one.id, one.rule, len(one.fixes)) == ("my-failure", "missing-header", 1)
    assert "@ID@" not in path.read_text()


def test_new_says_a_path_that_can_be_typed(gotrace: Gotrace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert gotrace("scenario", "new", "x").out == "x.toml\nTry it: gotrace scenario run ./x.toml --trust\n"


def test_what_the_template_comments_out_loads_as_well(tmp_path: Path) -> None:
    keys = ("seed", "environment", "[claim]", "source", "text =", "verdict", "measured", "setup", "not_out", "findings")
    lines = template.text_for("all-keys").splitlines()
    opened = [line[2:] if line.startswith(tuple(f"# {key}" for key in keys)) else line for line in lines]
    opened.remove('environment = "host"  # where all acts run; an act may have its own, also as a table:')
    path = tmp_path / "all-keys.toml"
    path.write_text("\n".join(opened))
    one = load(path)
    assert tomllib.loads(path.read_text())["seed"] == ["https://..."]
    assert one.claim is not None
    assert one.reproduce.environment.kind == "mount"
    assert one.reproduce.setup == ("mkdir -p sub",)


@pytest.mark.parametrize("name", ["My-Failure", "a/b", "../x", "x.toml", "-", ""])
def test_new_refuses_what_is_no_id(gotrace: Gotrace, tmp_path: Path, name: str) -> None:
    done = gotrace("scenario", "new", "--folder", tmp_path, "--", name)
    assert (done.code, done.out, list(tmp_path.iterdir())) == (2, "", [])
    assert "an id is made of lower-case words and hyphens" in done.err


def test_new_writes_over_nothing(gotrace: Gotrace, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("precious")
    done = gotrace("scenario", "new", "mine", "--folder", tmp_path)
    assert (done.code, done.out) == (2, "")
    assert "mine.toml: is there already" in done.err
    assert (tmp_path / "mine.toml").read_text() == "precious"
    assert gotrace("scenario", "new", "mine", "--folder", tmp_path / "none").code == 2
