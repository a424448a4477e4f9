"""The go command of a command line, with one flag more."""

from __future__ import annotations

from gotrace.rules import fixes
from gotrace.trace.model import Build, Trace


def with_flag(
    trace: Trace, build: Build, name: str, value: str, *, joined_by: str = " ", env: dict[str, str] | None = None
) -> tuple[str, ...] | None:
    """The traced command with `-NAME=VALUE`, joined to the value that it gives the flag already.

    None where the command is a script that runs go, or where GOFLAGS sets the flag, which a flag would replace.
    """
    words = list(fixes.rerun(trace, build, env or {}))
    place = _subcommand(words, build.subcommand)
    if place is None or f"-{name}" in (build.env.get("GOFLAGS") or ""):
        return None
    for at in range(place + 1, len(words)):
        bare, equals, old = words[at].partition("=")
        if bare.lstrip("-") != name or not bare.startswith("-"):
            continue
        if equals:
            words[at] = f"{bare}={_joined(old, value, joined_by)}"
        elif at + 1 < len(words):
            words[at + 1] = _joined(words[at + 1], value, joined_by)
        return tuple(words)
    return (*words[: place + 1], f"-{name}={value}", *words[place + 1 :])


def with_word_replaced(trace: Trace, build: Build, old: str, new: str) -> tuple[str, ...] | None:
    """The traced command with one text in its words or in the variables of the build replaced; None: it has none."""
    settings = {name: value.replace(old, new) for name, value in build.env.items() if value and old in value}
    words = fixes.rerun(trace, build, settings)
    changed = tuple(word.replace(old, new) for word in words)
    return changed if settings or changed != words else None


def _subcommand(words: list[str], subcommand: str) -> int | None:
    go = next((at for at, word in enumerate(words) if word.rpartition("/")[2] == "go"), None)
    return words.index(subcommand, go + 1) if go is not None and subcommand in words[go + 1 :] else None


def _joined(old: str, value: str, by: str) -> str:
    return f"{old}{by}{value}" if old else value
