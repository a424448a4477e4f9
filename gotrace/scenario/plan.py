"""What `gotrace.scenario.enter` is told to do before it becomes the program it was given: one JSON object."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

_ENTER: Final = ("-P", "-m", "gotrace.scenario.enter")

SET_UP_FAILED = 125
"""Exit status where the environment could not be set up; nothing has run then."""


class Root(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Another root folder for the program."""

    folder: str = ""
    """Its content; empty: only what the next fields name."""
    files: dict[str, str] = {}
    """Path inside -> path outside of what is copied into an empty root (a file, or a folder with all it holds)."""
    texts: dict[str, str] = {}
    """Path inside -> what the file holds, in an empty root."""
    bind: list[str] = []
    """Folders that are there as they are here, at the same path; one that does not exist here is left out."""
    proc: bool = True
    """With /proc and /dev."""


class Overlay(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """This machine's whole file system, to be written to without a trace."""

    keep: list[str] = []
    """Folders that stay the real ones, beside /proc, /dev and /sys; one that does not exist here is left out."""
    bind: dict[str, str] = {}
    """Folder inside -> real folder that is there as well."""


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """All settings of an environment.

    In paths $WORK is the act's folder, and other variables are those of the environment of `enter`.
    """

    work: str = ""
    mount: bool = False
    """A mount namespace of its own."""
    network: bool = False
    """A network namespace of its own, with nothing but a loopback interface."""
    loopback: bool = True
    hide: list[str] = []
    """Files and folders that do not exist: paths, patterns of paths, names of commands on PATH."""
    texts: dict[str, str] = {}
    """Path -> what the file there holds."""
    readonly: list[str] = []
    noexec: list[str] = []
    tmpfs: dict[str, int] = {}
    """Folder -> bytes that the file system mounted there takes."""
    root: Root | None = None
    overlay: Overlay | None = None
    """With it `hide` and `texts` are real: what is hidden was removed, and may come back."""
    join: str = ""
    """A mount namespace to be in (/proc/PID/ns/mnt), in place of one of its own."""
    user: str = ""
    """Name of the user that the program runs as; empty: as who calls."""
    refuse: dict[int, int] = {}
    """Number of a system call of x86-64 -> errno that it fails with."""
    limits: dict[str, int] = {}
    """Name as in RLIMIT_NAME, lower case -> hard and soft limit; -1: none."""
    variables: dict[str, str] = {}
    """Added to the environment."""
    defaults: dict[str, str] = {}
    """The same of those that the environment does not have, or has empty."""
    with_parent: bool = False
    """The program is killed when the process that started it ends."""

    def program(self) -> list[str]:
        """The words in front of a program by which it runs in this environment; none where nothing has to be done."""
        if self.for_work(Path()) == Plan().for_work(Path()):
            return []
        told = msgspec.json.encode(self).decode()
        return [sys.executable, *_ENTER, told, "--"]

    def for_work(self, work: Path) -> Plan:
        """The same for this folder of an act."""
        return msgspec.structs.replace(self, work=str(work))


def without_entering(command: Sequence[str]) -> tuple[str, ...]:
    """A command line without the words of `Plan.program`, wherever in it they are: what runs inside is what counts."""
    words = tuple(command)
    for place in range(1, len(words) - len(_ENTER) - 1):
        if words[place : place + len(_ENTER)] == _ENTER and words[place + len(_ENTER) + 1] == "--":
            return words[: place - 1] + words[place + len(_ENTER) + 2 :]
    return words
