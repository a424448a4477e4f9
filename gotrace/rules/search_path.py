"""Options that lead a compiler to the wrong headers: the host's folder in a cross build, a root without headers."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass

from gotrace.events.quoted import split_quoted
from gotrace.events.tools import Role
from gotrace.rules import packages, steps, targets
from gotrace.rules.includes import MissingHeader
from gotrace.trace.model import Build, Span

_FOLDER_OPTIONS = ("-I", "-isystem", "-iquote", "-idirafter")
_FLAG_VARIABLES = ("CGO_CFLAGS", "CGO_CPPFLAGS", "CGO_CXXFLAGS")
_PATH_VARIABLES = ("CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH")
_OF_A_TARGET = re.compile(
    r"/usr/(?:include/(?P<multiarch>[\w.]+-[\w.-]+)|(?P<cross>[\w.]+-[\w.-]+)/(?:sys-root/)?.*include)(?:/|$)"
)
"""/usr/include/x86_64-linux-gnu (Debian's multiarch) and /usr/aarch64-linux-gnu/include (a cross compiler's root)."""


@dataclass(frozen=True, slots=True)
class Misleading:
    """An option (or a variable's folder) to drop."""

    option: str
    """As a user would write it: -I/usr/include/x86_64-linux-gnu, --sysroot=/nowhere."""
    origin: str
    """Where it came from, in words; empty where that is not known."""
    variable: str | None = None
    """The variable that holds it."""
    without: str = ""
    """The value of that variable without it."""


def triple_of_folder(folder: str) -> str | None:
    """The target whose headers a folder has, by the folder's name; None for folders of no target in particular."""
    found = _OF_A_TARGET.match(f"{posixpath.normpath(folder)}/")
    triple = (found["multiarch"] or found["cross"]) if found else None
    # /usr/include/glib-2.0 looks alike: a triple has a system in its second or third word.
    return triple if triple and re.search(r"linux|mingw|gnu|musl|darwin|bsd|eabi", triple) else None


def hosts_folder(missing: MissingHeader) -> Misleading | None:
    """The host's own include folder in a cross build, if the header was asked for by a file in it."""
    build = missing.compiler.build
    wanted = targets.target(build) if build is not None else None
    if build is None or wanted is None or not targets.crosses(build) or missing.included_at is None:
        return None
    for option, folder in folders(missing.compiler, build):
        triple = triple_of_folder(folder)
        inside = missing.included_at.startswith(f"{folder.rstrip('/')}/")
        if triple is not None and inside and not targets.fits(triple, wanted):
            return origin(missing.compiler, build, option, folder)
    return None


def other_root(missing: MissingHeader) -> Misleading | None:
    """A --sysroot or -nostdinc that keeps the compiler from the C library's headers, where it misses one of those."""
    build = missing.compiler.build
    if build is None or not packages.is_libc_header(missing.name):
        return None
    for word in steps.driver(missing.compiler).argv:
        if word.startswith("--sysroot=") or word == "-nostdinc":
            return origin(missing.compiler, build, word, word)
    return None


def folders(compiler: Span, build: Build) -> Iterator[tuple[str, str]]:
    """The folders that a compiler was told to search for headers, each with the option (or none) that says so."""
    argv = steps.driver(compiler).argv
    for word, following in zip(argv, (*argv[1:], ""), strict=False):
        for option in _FOLDER_OPTIONS:
            if word == option and following:
                yield f"{option} {following}", following
            elif word.startswith(option) and len(word) > len(option):
                yield word, word[len(option) :]
    for name in _PATH_VARIABLES:
        yield from ((folder, folder) for folder in build.env.get(name, "").split(":") if folder)


def origin(compiler: Span, build: Build, option: str, folder: str) -> Misleading:
    """Where an option of a compiler came from, and what is left of its variable without it."""
    for name in _FLAG_VARIABLES:
        words = split_quoted(build.env.get(name, ""))
        kept = without(words, option)
        if len(kept) < len(words):
            return Misleading(option, f"in {name}", name, " ".join(kept))
    for name in _PATH_VARIABLES:
        listed = build.env.get(name, "").split(":")
        if folder in listed:
            return Misleading(option, f"in {name}", name, ":".join(one for one in listed if one != folder))
    package = steps.package(compiler)
    asked = any(span.role is Role.PKG_CONFIG for span in build.spans)
    of_package = f" of package {package}" if package else ""
    return Misleading(option, f"from a #cgo line{of_package}{' or its pkg-config' if asked else ''}")


def without(words: list[str], option: str) -> list[str]:
    """The words without an option, which may be two of them."""
    parts = option.split(" ")
    for at in range(len(words) - len(parts) + 1):
        if words[at : at + len(parts)] == parts:
            return [*words[:at], *words[at + len(parts) :]]
    return words
