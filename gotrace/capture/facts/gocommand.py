"""Reads a go command line: the subcommand, its flags with their values, the packages.

Source: `go help build`, `go help testflag`, `go help list` of Go 1.26, and src/cmd/go/internal/test/testflag.go for how
`go test` allows flags after packages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

BUILDING = frozenset({"build", "install", "test", "run", "vet", "get"})
"""Subcommands that compile packages on behalf of the user."""

_BUILD_FLAGS = (
    "C p covermode coverpkg asmflags buildmode compiler gccgoflags gcflags installsuffix ldflags mod modfile overlay"
    " pgo pkgdir tags toolexec"
)
_COMMAND_FLAGS = "o exec vettool f"
_TEST_FLAGS = (
    "bench benchtime blockprofile blockprofilerate count coverprofile cpu cpuprofile fuzz fuzzcachedir fuzztime"
    " fuzzminimizetime fuzzworker list memprofile memprofilerate mutexprofile mutexprofilefraction outputdir parallel"
    " run shuffle skip testlogfile timeout trace"
)
_WITH_VALUE = frozenset(f"{_BUILD_FLAGS} {_COMMAND_FLAGS} {_TEST_FLAGS}".split())
"""Flags whose value may be the next argument. All others are boolean: a value, if any, follows "="."""


class GoCommand(NamedTuple):
    """A go command line, taken apart."""

    subcommand: str
    flags: tuple[tuple[str, str | None], ...] = ()
    """Names without their dashes; None for a flag without a value."""
    patterns: tuple[str, ...] = ()
    """Packages or Go files as given; empty means the package in the current folder."""

    def value(self, name: str) -> str | None:
        """Value of a flag; the last one counts, as for Go's flag package. None where it is absent or has none."""
        return next((value for flag, value in reversed(self.flags) if flag == name), None)

    @property
    def folder(self) -> str | None:
        """Where `-C` lets the command run."""
        return self.value("C")


def parse(argv: Sequence[str]) -> GoCommand:
    """Take a go command line apart; `argv[0]` is the go command itself. Never fails: Go itself judged it already."""
    before, rest = _flags(argv[1:])
    if not rest:
        return GoCommand("", before)
    subcommand = rest[0]
    flags, words = _flags(rest[1:])
    if subcommand == "run":
        return GoCommand(subcommand, before + flags, _program(words))
    patterns: list[str] = []
    while words and words[0] not in ("-args", "--args"):
        if words[0] == "--":
            patterns += words[1:]
            break
        if words[0].startswith("-") and subcommand == "test":
            more, words = _flags(words)
            flags += more
            continue
        patterns.append(words[0])
        words = words[1:]
    return GoCommand(subcommand, before + flags, tuple(patterns))


def _flags(words: Sequence[str]) -> tuple[tuple[tuple[str, str | None], ...], list[str]]:
    """The flags at the front, and what follows them."""
    flags: list[tuple[str, str | None]] = []
    rest = list(words)
    while rest and rest[0].startswith("-") and rest[0] not in ("-", "--", "-args", "--args"):
        name, equals, value = rest.pop(0).lstrip("-").partition("=")
        name = name.removeprefix("test.")
        if equals:
            flags.append((name, value))
        elif name in _WITH_VALUE and rest:
            flags.append((name, rest.pop(0)))
        else:
            flags.append((name, None))
    return tuple(flags), rest


def _program(words: Sequence[str]) -> tuple[str, ...]:
    """What `go run` runs: one package, or the Go files in front; the program's own arguments follow."""
    files = []
    for word in words:
        if not word.endswith(".go"):
            break
        files.append(word)
    return tuple(files or words[:1])
