"""What a scenario is: a failure as a file tells it, with what has to be seen of it and the fixes that have to work."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any


class Verdict(StrEnum):
    """What was measured of a claim."""

    TRUE = "true"
    PARTLY = "partly"
    FALSE = "false"


class Tool(StrEnum):
    """How gotrace watches an act's command."""

    BUILD = "build"
    RUN = "run"


@dataclass(frozen=True, slots=True)
class Claim:
    """What somebody says about a failure, and what the scenario's acts measure of it at each run."""

    source: str
    """Where it is said: an article's chapter, a documentation page, an issue."""
    text: str
    verdict: Verdict
    measured: str
    """What was found, in a sentence or two."""


@dataclass(frozen=True, slots=True)
class EventPattern:
    """Events that have to be seen between `least` and `most` times; most None: any number.

    `fields` are regular expressions, searched in the event's field as text: `path`, `argv` (words joined by blanks),
    `paths`, `syscall`, `errno` (the name: ENOENT), `text`, `status`, `signal`, and `shown`: the whole of it
    in strace's notation.
    """

    kind: str
    fields: MappingProxyType[str, str]
    least: int = 1
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Expectation:
    """How an act has to end, and what has to be said about it."""

    exit: int | None = 0
    """None: any, or a death by `signal`."""
    signal: str | None = None
    output: tuple[str, ...] = ()
    """Regular expressions, searched in what the command and the `after` lines print."""
    not_output: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    """Names of the root causes, in order; all of them."""
    message: tuple[str, ...] = ()
    """Regular expressions, searched in the first finding's message."""
    source: str | None = None
    """A regular expression, searched in `FILE:LINE:COLUMN: TEXT` of what asked for the first finding's failure."""
    events: tuple[EventPattern, ...] = ()


@dataclass(frozen=True, slots=True)
class Environment:
    """Where an act runs: `kind` names a module of gotrace.scenario.environments, `settings` are what that takes."""

    kind: str = "host"
    settings: MappingProxyType[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Act:
    """One traced command in a fresh folder that holds the scenario's files."""

    name: str
    """`reproduce`, or `fix-1`, `fix-2` ..."""
    title: str
    tool: Tool
    """As a build, or as a program's run: `gotrace build` or `gotrace run`."""
    command: tuple[str, ...]
    """Empty where `printed` says which one it is."""
    printed: str | None
    """The command is the one that gotrace printed in the reproduction, the first whose text holds this."""
    env: MappingProxyType[str, str]
    """Added to the environment; $WORK in a value is the act's folder. PATH counts for the command alone."""
    unset: tuple[str, ...]
    setup: tuple[str, ...]
    """Lines for `sh -e`, untraced, before the command."""
    after: tuple[str, ...]
    """The same after it; they must succeed."""
    environment: Environment
    expect: Expectation


@dataclass(frozen=True, slots=True)
class Scenario:
    """One documented failure, or one healthy build (no rule, no fix, no finding)."""

    id: str
    title: str
    rule: str | None
    """The rule that it shows: its finding comes first, unless the act names others. None: there is nothing to find."""
    text: str
    """What happens and why, in Markdown."""
    tags: tuple[str, ...]
    seed: tuple[str, ...]
    """Where it comes from: public reports, rows of the collection it was shrunk from."""
    requires: tuple[str, ...]
    """Commands (on PATH), or absolute paths of files."""
    files: MappingProxyType[str, str]
    folder: Path | None
    """Whose content is copied as well, where the scenario is a folder."""
    claim: Claim | None
    reproduce: Act
    fixes: tuple[Act, ...] = field(default=())
    path: Path = Path()
    copied: str = ""
    """The folder beside the scenario's file that `files` were copied from, as recipes/static; empty for none."""

    @property
    def healthy(self) -> bool:
        """It states that there is nothing to find."""
        return self.rule is None and not self.fixes

    @property
    def acts(self) -> tuple[Act, ...]:
        """All acts, in the order in which they run."""
        return (self.reproduce, *self.fixes)
