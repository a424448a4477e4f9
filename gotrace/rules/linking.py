"""What a linker says of symbols, in any language, and which archives a failed link had."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gotrace.events.tools import Role
from gotrace.rules import evidence, steps
from gotrace.rules.evidence import Words
from gotrace.trace.model import Span, Trace

_OPEN, _CLOSE = "`'\"‘“«»„「", "'\"’”»«“」"
QUOTED = rf"[{_OPEN}]\s?(?P<name>[^\s{_OPEN}{_CLOSE}](?:[^{_OPEN}{_CLOSE}]*[^\s{_OPEN}{_CLOSE}])?)\s?[{_CLOSE}]"
"""A name in the quotes of some language. Translations change the words around it, not the name."""
_IN_LINK_FOLDER = re.compile(r"/go-link-\d+/")
_UNDEFINED = re.compile(rf"(?:\+0x[0-9a-f]+\)|:\d+)\s?[:：]\s?(?P<words>[^()]*?){QUOTED}")
"""`a.c:(.text+0x5): undefined reference to ...`, `a.c:7: ...`."""


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive or object on the command line of a failed link, as the capture read it (fact `archive`)."""

    path: str
    argument: str
    """As it was given: -la, or a path."""
    positions: tuple[int, ...]
    """Where it stands among the linker's arguments."""
    defines: frozenset[str]
    needs: frozenset[str]
    """Of the symbols that the linker complained of."""
    cplusplus: tuple[str, ...]
    """Symbols of the C++ library that it uses and does not have; a few of them."""


def failed_links(trace: Trace) -> Iterator[Span]:
    """The runs of a linker that broke a build."""
    return steps.broken(trace, Role.LD)


def archives(trace: Trace, linker: Span) -> list[Archive]:
    """What the capture knows of the archives of this link, in the order of its command line."""
    found = []
    for fact in trace.facts_of("archive"):
        if fact.data.get("pid") == linker.process.pid:
            found.append(_archive(fact.subject, fact.data))
    return sorted(found, key=lambda archive: archive.positions)


def undefined(linker: Span) -> dict[str, Words]:
    """The names that the linker quotes at places in code, each with its line; mostly undefined references."""
    names: dict[str, Words] = {}
    for words in evidence.all_said([linker], _UNDEFINED):
        names.setdefault(words.found["name"], words)
    return names


def is_of_the_link(path: str) -> bool:
    """Go's own folder of a link, where the objects of packages lie until it ends."""
    return _IN_LINK_FOLDER.search(path) is not None


def search_path_of(archive: Archive) -> Sequence[str]:
    """The arguments that name it once more: its folder where it was found by -l."""
    if archive.argument.startswith("-l"):
        return (f"-L{posixpath.dirname(archive.path)}", archive.argument)
    return (archive.path,)


def argument_of(linker: Span, path: str) -> str:
    """What had the linker read a file: its path, or -lNAME."""
    name = posixpath.basename(path)
    by_name = f"-l{name.removeprefix('lib').removesuffix('.a')}"
    return by_name if path not in linker.argv and by_name in linker.argv else path


def _archive(path: str, data: Any) -> Archive:
    return Archive(
        path,
        str(data.get("argument") or path),
        tuple(data.get("positions") or ()),
        frozenset(data.get("defines") or ()),
        frozenset(data.get("needs") or ()),
        tuple(data.get("cplusplus") or ()),
    )
