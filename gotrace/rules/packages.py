"""Which Debian package holds a header, a library or a pkg-config file: answers from data that ships with gotrace.

The data is read when the first finding asks; `tools/generate_package_data.py` describes its form. What it does not
know has no package: a name is never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files

import zstandard

_FILE = "data/debian-12-amd64.tsv.zst"
_ROOTS = ("include", "include/@")
"""Folders below /usr that every compiler of Debian searches; `@` is the multiarch folder."""

_GENERIC = 16
"""A name that so many folders hold (common.h, version.h) is everybody's, whichever of them needs no -I."""
_MOST_LIBRARIES = 2
"""With headers of more libraries than this having a name, the name says nothing."""
_VERSIONED = re.compile(r"\d$")

LIBC_PACKAGES = frozenset({"libc6-dev", "linux-libc-dev"})


@dataclass(frozen=True, slots=True)
class Package:
    """A package of Debian; `everywhere` where it is the same on all architectures."""

    name: str
    everywhere: bool = False


@dataclass(frozen=True, slots=True)
class Holder:
    """Where a header lies once one of `packages` is installed."""

    packages: tuple[Package, ...]
    folder: str
    """What must be on the search path for the name to be found; `@` stands for the multiarch folder."""
    searched: bool
    """The compiler searches that folder without being told."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the data comes from, and of which day (ISO 8601) it is."""

    source: str
    date: str


@cache
def _text() -> bytes:
    packed = files("gotrace.rules").joinpath(_FILE).read_bytes()
    return zstandard.ZstdDecompressor().decompress(packed)


def provenance() -> Provenance:
    """Source and date of the data."""
    source, date = _text().split(b"\n", 2)[:2]
    return Provenance(source.decode().partition(": ")[2], date.decode().partition(": ")[2])


def holders_of_header(name: str) -> list[Holder]:
    """Where a header of this name (as in `#include <name>`) comes from, the best answer first.

    A header that compilers find by themselves once its package is there is the only answer; else those with the
    shortest way to it, which need an -I or pkg-config as well.
    """
    below, _, file = name.rpartition("/")
    if not file or name.startswith("/") or any(c.isspace() for c in name):
        return []
    found: dict[str, Holder] = {}
    for folder, packages in _folders_with(file):
        if folder != below and not folder.endswith(f"/{below}") and below:
            continue
        start = folder.removesuffix(below).rstrip("/") if below else folder
        old = found.get(start)
        merged = (*old.packages, *packages) if old else packages
        found[start] = Holder(tuple(dict.fromkeys(merged)), start, start in _ROOTS)
    searched = [holder for holder in found.values() if holder.searched]
    if searched:
        return searched
    nearest = min((holder.folder.count("/") for holder in found.values()), default=0)
    return sorted((h for h in found.values() if h.folder.count("/") == nearest), key=lambda holder: holder.folder)


def libraries_with_header(name: str, *, quoted: bool = False) -> list[Holder]:
    """The holders of a header that may be named to a user, at most two libraries; empty where in doubt.

    The header must lie at exactly this relative path in a folder that compilers search, or in one that the library
    itself means to be searched (see `is_include_root`). `#include "name.h"` mostly means a file of the project's own:
    only one library, and one that needs no -I, is an answer then. A name that is everybody's gets none.
    """
    own_file = quoted and "/" not in name
    holders = [
        holder
        for holder in holders_of_header(name)
        if holder.searched or (not own_file and _is_root_of(holder.folder, name, holder.packages))
    ]
    packages = [package for holder in holders for package in holder.packages]
    if is_libc_header(name):
        return holders
    if _is_generic(name, packages) or len({_library(package) for package in packages}) > _MOST_LIBRARIES:
        return []
    return holders if len(packages) == 1 or not own_file else []


def is_include_root(folder: str, name: str) -> bool:
    """Whether a folder (absolute) is meant to be on the search path for a header of this name.

    It is called include, or like the library (libxml2 for libxml/parser.h), or it has a version and a pkg-config file
    of the same name (glib-2.0). That a file of that name lies in it says nothing: /usr/include/linux has cuda.h.
    """
    last = folder.rstrip("/").rpartition("/")[2]
    if last == "include":
        return True
    return not (_is_generic(name, ()) and "/" not in name) and _is_root_of(folder, name, packages_of_pkg_config(last))


def _is_root_of(folder: str, name: str, packages: tuple[Package, ...]) -> bool:
    last = folder.rstrip("/").rpartition("/")[2]
    if _stem(last) == _stem(name.partition("/")[0]):
        return True
    described = bool(set(packages).intersection(packages_of_pkg_config(last)))
    return described and (_VERSIONED.search(last) is not None or "/" in name)


def _stem(name: str) -> str:
    """glib of libglib-2.0 and of glib.h."""
    return re.sub(r"[-.\d]*(\.\w+)?$", "", name.lower()).removeprefix("lib")


def _is_generic(name: str, packages: Sequence[Package]) -> bool:
    if "/" in name or sum(1 for _ in _folders_with(name)) < _GENERIC:
        return False
    stem = _stem(name)
    return not any(stem in package.name for package in packages)


def _library(package: Package) -> str:
    """libcurl4 of libcurl4-gnutls-dev: several packages may hold one library, built differently."""
    return package.name.partition("-")[0]


def is_libc_header(name: str) -> bool:
    """The header belongs to the C library or to the kernel's interface that comes with it: stdio.h, bits/wordsize.h."""
    searched = (holder for holder in holders_of_header(name) if holder.searched)
    return any(package.name in LIBC_PACKAGES for holder in searched for package in holder.packages)


def packages_of_library(name: str, *, archive: bool = False) -> tuple[Package, ...]:
    """The packages with what `-lNAME` needs: libNAME.so or libNAME.a, or libNAME.a alone for a static link."""
    fields = _line(b"L", name)
    if fields is None or (archive and "a" not in fields[1].split(",")):
        return ()
    return _packages(fields[0])


def packages_of_pkg_config(name: str) -> tuple[Package, ...]:
    """The packages with NAME.pc."""
    fields = _line(b"P", name)
    return () if fields is None else _packages(fields[0])


@lru_cache(maxsize=4096)
def _folders_with(file: str) -> tuple[tuple[str, tuple[Package, ...]], ...]:
    return tuple(_search_folders_with(file))


def _search_folders_with(file: str) -> Iterator[tuple[str, tuple[Package, ...]]]:
    text, wanted = _text(), f" {file} ".encode()
    position = text.find(wanted)
    while position >= 0:
        start = text.rfind(b"\n", 0, position) + 1
        fields = text[start:position].split(b"\t")
        if fields[0] == b"H" and len(fields) == 4:
            yield fields[1].decode(), _packages(fields[2].decode())
        position = text.find(wanted, position + 1)


@lru_cache(maxsize=4096)
def _line(kind: bytes, name: str) -> list[str] | None:
    text, wanted = _text(), b"\n%s\t%s\t" % (kind, name.encode("utf-8", "replace"))
    start = text.find(wanted)
    if start < 0 or "\t" in name or "\n" in name:
        return None
    start += len(wanted)
    return text[start : text.index(b"\n", start)].decode().split("\t")


def _packages(names: str) -> tuple[Package, ...]:
    parts = (name.partition(":") for name in names.split(","))
    return tuple(Package(name, mark == "all") for name, _, mark in parts)
