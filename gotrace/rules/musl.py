"""Builds against musl on a machine that has glibc: which tools are for musl, which folders are glibc's."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable

from gotrace.rules import steps, targets
from gotrace.trace.model import Build, Span

_MUSL = re.compile(r"(?:^|/)musl-(?:gcc|clang|cc|g\+\+)\b|\blinux(?:[\d.]*)-musl|\bld-musl")
"""musl-gcc, its specs and folders (/usr/lib/x86_64-linux-musl), a target triple, musl's loader."""
_GLIBC_HEADERS = re.compile(r"/usr/include(?:/[\w.]+-linux-gnu\w*)?")
_GLIBC_LIBRARIES = re.compile(r"(?:/usr)?/lib(?:64|32|/[\w.]+-linux-gnu\w*)?")
"""Of Debian and its kin (multiarch), of Fedora and its kin (lib64)."""


def named_in(words: Iterable[str]) -> bool:
    """A command line, or a part of one, is for musl."""
    return any(_MUSL.search(word) for word in words)


def compiles_for(span: Span) -> bool:
    """The compiler or linker that this run belongs to is for musl: musl-gcc, a cross compiler, zig with a target."""
    driver = steps.driver(span)
    return named_in((*driver.argv, *span.argv, targets.triple_of(driver) or ""))


def chosen(build: Build) -> str | None:
    """The C compiler for musl that the user chose for a build, as CC says it."""
    cc = build.env.get("CC") or build.target.cc or ""
    return cc if named_in(cc.split()) else None


def has_glibc_headers(folder: str) -> bool:
    """A folder where a machine with glibc keeps glibc's headers."""
    return _GLIBC_HEADERS.fullmatch(posixpath.normpath(folder)) is not None


def has_glibc_libraries(folder: str) -> bool:
    """A folder where a machine with glibc keeps glibc itself."""
    return _GLIBC_LIBRARIES.fullmatch(posixpath.normpath(folder)) is not None
