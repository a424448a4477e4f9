"""Go command lines and CC values, taken apart as the go command does it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotrace.capture.facts.gocommand import GoCommand, parse
from gotrace.capture.facts.quoted import split_quoted


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("go build", GoCommand("build")),
        ("go build ./...", GoCommand("build", (), ("./...",))),
        (
            "go build -v -tags netgo,osusergo -o app -ldflags=-s ./cmd/app",
            GoCommand(
                "build",
                (("v", None), ("tags", "netgo,osusergo"), ("o", "app"), ("ldflags", "-s")),
                ("./cmd/app",),
            ),
        ),
        ("go build -C sub --race .", GoCommand("build", (("C", "sub"), ("race", None)), (".",))),
        ("go -C sub build", GoCommand("build", (("C", "sub"),))),
        ("go run -tags x main.go util.go -v in.txt", GoCommand("run", (("tags", "x"),), ("main.go", "util.go"))),
        ("go run ./cmd/app build.go", GoCommand("run", (), ("./cmd/app",))),
        ("go run . serve", GoCommand("run", (), (".",))),
        (
            "go test ./... -run X -count=1 -race -args -tags y",
            GoCommand("test", (("run", "X"), ("count", "1"), ("race", None)), ("./...",)),
        ),
        ("go test -v -test.run X pkg", GoCommand("test", (("v", None), ("run", "X")), ("pkg",))),
        ("go install -- ./a ./b", GoCommand("install", (), ("./a", "./b"))),
        ("go", GoCommand("")),
        ("go build -tags", GoCommand("build", (("tags", None),))),
    ],
)
def test_a_command_line_is_subcommand_flags_and_packages(line: str, expected: GoCommand) -> None:
    assert parse(line.split()) == expected


def test_the_last_of_a_repeated_flag_counts() -> None:
    assert parse(["go", "build", "-tags", "a", "-tags=b"]).value("tags") == "b"


@given(st.lists(st.text(alphabet="-=abC.go/ ", max_size=8), max_size=8))
def test_no_command_line_breaks_it(words: list[str]) -> None:
    command = parse(["go", *words])
    assert set(command.patterns) <= set(words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gcc", ["gcc"]),
        ("ccache gcc  -m64", ["ccache", "gcc", "-m64"]),
        ("'/path with space/gcc' -O2", ["/path with space/gcc", "-O2"]),
        ('"a b"', ["a b"]),
        ("a'b c'", ["a'b", "c'"]),
        ("", []),
    ],
)
def test_a_compiler_variable_is_split_as_go_splits_it(text: str, words: list[str]) -> None:
    assert split_quoted(text) == words


@given(st.text(alphabet="ab'\" \t", max_size=20))
def test_splitting_loses_nothing_but_blanks_and_quotes(text: str) -> None:
    letters = [letter for letter in "".join(split_quoted(text)) if letter in "ab"]
    assert letters == [letter for letter in text if letter in "ab"]
