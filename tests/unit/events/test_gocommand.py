"""Go command lines, taken apart."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotrace.events.gocommand import GoCommand, parse


@pytest.mark.parametrize(
    ("line", "subcommand", "words", "patterns"),
    [
        ("go", "", "", ""),
        ("go build", "build", "", ""),
        ("go build ./...", "build", "", "./..."),
        ("go build -o ../mini -v ./a ./b", "build", "-o ../mini -v", "./a ./b"),
        ("go build -race -tags netgo,osusergo .", "build", "-race -tags netgo,osusergo", "."),
        ("go build --tags=netgo -ldflags='-s -w' .", "build", "--tags=netgo '-ldflags=-s -w'", "."),
        ("go build -ldflags '-extldflags -static' .", "build", "-ldflags '-extldflags -static'", "."),
        ("go -C sub build -C=x .", "build", "-C sub -C=x", "."),
        ("go install -- -odd", "install", "", "-odd"),
        ("go build -o", "build", "-o", ""),
        ("go build . -v", "build", "", ". -v"),
        ("go run -exec 'sudo -E' . -o file", "run", "-exec 'sudo -E'", "."),
        ("go run a.go b.go -v", "run", "", "a.go b.go"),
        ("go run", "run", "", ""),
        ("go test ./a -run TestX ./b -v -args -o x", "test", "-run TestX -v", "./a ./b"),
        ("go test -c -count=1 .", "test", "-c -count=1", "."),
        ("go test -v ./a -- ./b -run X", "test", "-v", "./a"),
        ("go test -test.run X", "test", "-test.run X", ""),
        ("go vet -c 3 -printf=false .", "vet", "-c 3 -printf=false", "."),
        ("go list -f '{{.Dir}}' -deps ./...", "list", "-f '{{.Dir}}' -deps", "./..."),
    ],
)
def test_a_command_line(line: str, subcommand: str, words: str, patterns: str) -> None:
    command = parse(shlex.split(line))
    assert command.subcommand == subcommand
    assert command.words == tuple(shlex.split(words))
    assert command.patterns == tuple(shlex.split(patterns))


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
    assert parse(line.split())._replace(words=()) == expected


def test_values_of_flags() -> None:
    command = parse(["go", "test", "-tags", "a", "-tags=b", "-race", "-test.run=X", "-C", "sub", "-msan=false"])
    assert command.value("tags") == "b"
    assert command.value("run") == "X"
    assert command.value("race") is None
    assert command.folder == "sub"
    assert command.has("race")
    assert command.has("tags")
    assert not command.has("msan")
    assert not command.has("v")


@given(st.lists(st.text(alphabet="-=abC.go/ ", max_size=8), max_size=8))
def test_no_command_line_breaks_it(words: list[str]) -> None:
    command = parse(["go", *words])
    assert set(command.patterns) <= set(words)


@given(st.lists(st.sampled_from(["go", "test", "run", "-o", "-v", "--", "-", "-args", "x.go", ".", "-tags=x", ""])))
def test_no_word_is_invented_or_told_twice(argv: list[str]) -> None:
    command = parse(argv)
    told = [*command.words, *command.patterns]
    assert all(told.count(word) <= argv[1:].count(word) for word in told)
