"""Fixes that build a Go program again, told by what Go wrote into it about its own build."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gotrace.events.model import Fact
from gotrace.rules.finding import Fix
from gotrace.rules.loaded_files import name_of

_FILES = "command-line-arguments"
"""The path of a program that was built from files named on the command line."""


def go_of(program: Fact | None) -> Mapping[str, Any]:
    """What Go wrote into a program: `version`, `path`, `settings`; empty for another program."""
    told = program.data.get("go") if program is not None else None
    return told if isinstance(told, dict) else {}


def setting(program: Fact | None, name: str) -> str:
    """CGO_ENABLED, -trimpath, GOARCH ... of that build; empty where it says nothing."""
    settings = go_of(program).get("settings")
    return str(settings.get(name, "")) if isinstance(settings, dict) else ""


def uses_cgo(program: Fact | None) -> bool:
    """It was built with cgo."""
    return setting(program, "CGO_ENABLED") == "1"


def again(program: Fact, *settings: str, flags: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The command that builds it once more, in its module's folder, with these settings (`CGO_ENABLED=0`)."""
    path = str(go_of(program).get("path", ""))
    package = path if path and path != _FILES else "."
    return ("env", *settings, "go", "build", *flags, "-o", name_of(program.subject), package)


def without_cgo(program: Fact | None, text: str) -> list[Fix]:
    """A fix for what cgo alone brings in; none for a program that has no cgo anyway, or is no Go program."""
    return [Fix(text, again(program, "CGO_ENABLED=0"))] if program is not None and uses_cgo(program) else []
