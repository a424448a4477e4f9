"""Reads a go command line: the subcommand, its flags with their values, the packages.

Source: `go help build`, `go help testflag`, `go help list`, `go doc cmd/vet` of Go 1.26, and
cmd/go/internal/test/testflag.go for how `go test` allows flags after packages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

BUILDING = frozenset({"build", "install", "test", "run", "vet", "fix", "get"})
"""Subcommands that compile (or, `get`, resolve) packages on behalf of the user."""

_OF_BUILDS = (
    "C p covermode coverpkg asmflags buildmode compiler gccgoflags gcflags installsuffix ldflags mod modfile overlay"
    " pgo pkgdir tags toolexec debug-actiongraph debug-runtime-trace debug-trace"
)
_OF_SUBCOMMANDS = "o exec vettool fixtool f reuse skip run"
_OF_TESTS = (
    "bench benchtime blockprofile blockprofilerate count coverprofile cpu cpuprofile fuzz fuzzcachedir fuzztime"
    " fuzzminimizetime fuzzworker list memprofile memprofilerate mutexprofile mutexprofilefraction outputdir parallel"
    " shuffle testlogfile timeout trace"
)
_WITH_VALUE = frozenset(f"{_OF_BUILDS} {_OF_SUBCOMMANDS} {_OF_TESTS}".split())
"""Flags whose value may be the next word. All others are boolean: a value, if any, follows "="."""

_LINES_OF_CONTEXT = frozenset({"vet", "fix"})
"""Here -c takes a number; for `go test` it is boolean."""


class GoCommand(NamedTuple):
    """A go command line, taken apart."""

    subcommand: str
    """Empty for a bare `go`."""
    flags: tuple[tuple[str, str | None], ...] = ()
    """Names without their dashes; None for a flag without a value."""
    patterns: tuple[str, ...] = ()
    """Packages or Go files as given; empty means the package in the current folder."""
    words: tuple[str, ...] = ()
    """The flags again, word for word as given."""

    def value(self, name: str) -> str | None:
        """Value of a flag; the last one counts, as for Go's flag package. None where it is absent or has none."""
        return next((value for flag, value in reversed(self.flags) if flag == name), None)

    def has(self, name: str) -> bool:
        """The flag was given and not switched off (`-race=false`)."""
        value: str | None = "false"
        for flag, given in self.flags:
            if flag == name:
                value = given
        return value not in ("false", "0", "f", "F", "FALSE", "False")

    @property
    def folder(self) -> str | None:
        """Where `-C` lets the command run."""
        return self.value("C")


def parse(argv: Sequence[str]) -> GoCommand:
    """Take a go command line apart; `argv[0]` is the go command itself. Never fails: Go itself judged it already."""
    reader = _Reader(argv[1:])
    reader.read_flags()
    subcommand = reader.take() or ""
    reader.context_flag = subcommand in _LINES_OF_CONTEXT
    reader.read_flags()
    if subcommand == "run":
        patterns = _program(reader.rest)
    elif subcommand == "test":
        patterns = _packages_among_flags(reader)
    else:
        patterns = reader.rest[1:] if reader.rest[:1] == ["--"] else reader.rest
    return GoCommand(subcommand, tuple(reader.flags), tuple(patterns), tuple(reader.words))


class _Reader:
    """Eats a command line from the front."""

    def __init__(self, words: Sequence[str]) -> None:
        self.rest = list(words)
        self.flags: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.context_flag = False

    def take(self) -> str | None:
        """The next word, or None at the end."""
        return self.rest.pop(0) if self.rest else None

    def read_flags(self) -> None:
        """Eat the flags in front."""
        at = 0
        while at < len(self.rest) and _is_flag(self.rest[at]):
            name, equals, value = self.rest[at].lstrip("-").partition("=")
            name = name.removeprefix("test.")
            takes_next = not equals and at + 1 < len(self.rest) and self._takes_value(name)
            given = self.rest[at : at + 1 + takes_next]
            self.words += given
            self.flags.append((name, given[1] if takes_next else value if equals else None))
            at += len(given)
        del self.rest[:at]

    def _takes_value(self, name: str) -> bool:
        return name in _WITH_VALUE or (name == "c" and self.context_flag)


def _is_flag(word: str) -> bool:
    return word.startswith("-") and word not in ("-", "--", "-args", "--args")


def _packages_among_flags(reader: _Reader) -> list[str]:
    """`go test` takes flags behind the packages; from `--` on, and behind `-args`, all is the test's own."""
    packages = []
    while reader.rest and reader.rest[0] not in ("--", "-args", "--args"):
        packages.append(reader.rest.pop(0))
        reader.read_flags()
    return packages


def _program(words: Sequence[str]) -> list[str]:
    """What `go run` runs: one package, or the Go files in front; the program's own arguments follow."""
    count = next((at for at, word in enumerate(words) if not word.endswith(".go")), len(words))
    return list(words[: count or 1])
