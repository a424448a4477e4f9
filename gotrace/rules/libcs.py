"""Which C library a running program has, which one a file was built for, and how such are called in a sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from gotrace.events.model import Fact
from gotrace.rules.loaded_files import Files, flavour

_KNOWN: Final = ("glibc", "musl")
_COMPILERS: Final = {"glibc": "gcc", "musl": "musl-gcc"}


def of_process(known: Files) -> str:
    """ "glibc" or "musl": what the process has, by a shared library, its loader, or inside of the program itself."""
    return of_file(known.libc) or of_file(known.program)


def of_file(fact: Fact | None) -> str:
    """ "glibc" or "musl" for a file that is it, needs it or has it inside; else empty."""
    name = flavour(fact)
    return name if name in _KNOWN else ""


def version(fact: Fact | None) -> str:
    """ "1.2.3" of a file that is a C library, empty where unknown."""
    libc: Mapping[str, Any] = fact.data.get("libc") or {} if fact is not None else {}
    return str(libc.get("version") or "") if libc.get("relation") in ("is", "static") else ""


def libc(known: Files) -> Fact | None:
    """The C library that came in, and not its loader where both did: the loader of an older glibc tells no version."""
    came_in = [fact for fact in known.mapped.values() if flavour(fact, "is")]
    return max(came_in, key=lambda fact: numbers(version(fact)), default=known.libc)


def named(known: Files) -> str:
    """ "musl 1.2.3", "glibc"; "the C library" where it is another one."""
    name = of_process(known)
    return f"{name} {version(libc(known))}".strip() if name else "the C library"


def numbers(version: str) -> tuple[int, ...]:
    """(1, 2, 3) for "1.2.3", to compare; () where it is unknown."""
    return tuple(int(part) for part in re.findall(r"\d+", version))


def is_static(known: Files, name: str = "") -> bool:
    """The program has its C library (the one of that name) inside."""
    inside = flavour(known.program, "static")
    return inside in _KNOWN and name in ("", inside)


def compiler(name: str) -> str:
    """The usual compiler of Debian for a C library."""
    return _COMPILERS.get(name, "gcc")
