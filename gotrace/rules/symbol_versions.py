"""Which release of the GNU C library, or of GCC's C++ library, was the first to have a symbol: data with a date.

`tools/generate_symbol_versions.py` describes its form. What it does not know is never guessed.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import zstandard

_SYMBOLS = "data/symbol-versions.tsv.zst"
_RELEASES = "data/library_releases.toml"
_GLIBC = "GLIBC_"
_LONG_AGO = (2, 17)
"""What everything in use has: the glibc of 2012. A library that lacks these versions is not old, but another one."""


@dataclass(frozen=True, slots=True)
class Introduced:
    """A version of a library's symbols (GLIBC_2.34, GLIBCXX_3.4.29) and the release that brought it."""

    version: str
    release: str
    """Of glibc (2.34), or of GCC (11.1) for its C++ library."""

    @property
    def of_glibc(self) -> bool:
        """It is glibc's; else it is the C++ library's."""
        return self.version.startswith(_GLIBC)

    @property
    def library(self) -> str:
        """The library of that release: "glibc 2.34", "libstdc++ of GCC 11.1"."""
        return f"glibc {self.release}" if self.of_glibc else f"the libstdc++ of GCC {self.release}"

    @property
    def order(self) -> tuple[int, ...]:
        """Later releases are greater; to be compared within one library."""
        return _numbers(self.release)


def since(name: str) -> Introduced | None:
    """Since when there is a symbol of this name, as linkers show it; None for an old one, or one of other libraries."""
    version = _symbols().get(name)
    return of_version(version) if version is not None else None


def of_version(version: str) -> Introduced | None:
    """The release of a version (GLIBC_2.34); None for one that no table knows or that has been there forever."""
    if version.startswith(_GLIBC):
        release = version.removeprefix(_GLIBC)
        return Introduced(version, release) if _numbers(release) > _LONG_AGO else None
    found: str | None = _releases()["gcc"].get(version)
    return Introduced(version, found) if found is not None else None


def distributions_with(*needed: Introduced) -> list[str]:
    """The first release of each distribution that has all of them: ["Debian 12", "Ubuntu 22.04"]."""
    found = []
    for distribution in _releases()["distribution"]:
        for name, glibc, gcc in distribution["releases"]:
            if all(_has(glibc if one.of_glibc else gcc, one) for one in needed):
                found.append(f"{distribution['name']} {name}")
                break
    return found


def distributions_up_to(glibc: str) -> list[str]:
    """The last release of each distribution whose glibc is no newer than that: ["Debian 11", "Ubuntu 20.04"]."""
    found = []
    for distribution in _releases()["distribution"]:
        fitting = [name for name, release, _ in distribution["releases"] if _numbers(release) <= _numbers(glibc)]
        found += [f"{distribution['name']} {fitting[-1]}"] if fitting else []
    return found


def _has(release: str, needed: Introduced) -> bool:
    have = _numbers(release)
    return have >= needed.order[: len(have)]


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text))


@cache
def _symbols() -> dict[str, str]:
    packed = files("gotrace.rules").joinpath(_SYMBOLS).read_bytes()
    lines = zstandard.ZstdDecompressor().decompress(packed).decode().splitlines()
    pairs = (line.split("\t", 1) for line in lines if not line.startswith("#"))
    return {name: version for version, name in pairs}


@cache
def _releases() -> dict[str, Any]:
    return tomllib.loads(files("gotrace.rules").joinpath(_RELEASES).read_text(encoding="utf-8"))
