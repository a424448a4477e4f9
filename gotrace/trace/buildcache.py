"""What go commands took from their build cache: for such packages no tool ran, so nothing of them is in the trace."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from gotrace.events.tools import Role
from gotrace.trace.argv import flag_value
from gotrace.trace.model import Build, Span, Trace

_FACT = "fresh_cache"
_FROM_CACHE = frozenset({"build", "install", "run"})
"""The go commands whose packages come from the build cache where nothing compiles; vet and test keep more there."""
_COMPILERS = frozenset({Role.COMPILE, Role.ASM, Role.CGO, Role.CC, Role.VET})
_RUNTIME = "runtime"
"""Every program has this package in it, and its compile depends on no package but its own parts."""


class FromCache(StrEnum):
    """How many of the packages that a go command needed came from the build cache."""

    ALL = "all"
    SOME = "some"
    NONE = "none"


class CacheUse(NamedTuple):
    """What one go command took from the cache."""

    build: Build
    packages: FromCache | None
    """None: nothing in the trace tells."""
    packages_compiled: int
    seen: bool
    """What it took from the cache may have been put there in this very trace."""


def cache_use(trace: Trace) -> list[CacheUse]:
    """For each go command that builds, in their order."""
    private = private_folder(trace)
    compiled_for: set[tuple[str | None, str | None]] = set()
    found = []
    for build in trace.builds:
        platform = (build.target.goos, build.target.goarch)
        seen = platform in compiled_for or keeps_in(build, private)
        packages = {span.package for span in build.spans if span.compiled and span.package}
        found.append(CacheUse(build, _from_cache(build), len(packages), seen))
        if _compiles_runtime(build):
            compiled_for.add(platform)
    return found


def private_folder(trace: Trace) -> str | None:
    """The private, empty build cache that gotrace gave the command; None where it gave it none."""
    return next((fact.subject for fact in trace.facts_of(_FACT)), None)


def keeps_in(build: Build, folder: str | None) -> bool:
    """This go command has its build cache there, as far as its environment is known. The command may set another."""
    env = build.span.exec.env
    return folder is not None and (env is None or env.get("GOCACHE") == folder)


def _from_cache(build: Build) -> FromCache | None:
    if _compiles_runtime(build) or "-a" in build.flags:
        return FromCache.NONE
    runs = [span for span in build.spans if not span.probe]
    compiled = not _COMPILERS.isdisjoint(span.role for span in runs)
    if not compiled and build.span.exit is not None and not build.failed and _needs_packages(build):
        return FromCache.ALL
    return FromCache.SOME if any(_is_of_a_program(span) for span in runs) else None


def _compiles_runtime(build: Build) -> bool:
    return any(span.role is Role.COMPILE and span.package == _RUNTIME for span in build.spans)


def _is_of_a_program(span: Span) -> bool:
    """It compiles a package main, or links: for either the runtime must be there."""
    return span.role is Role.LINK or (span.role is Role.COMPILE and flag_value(span.argv, "-p") == "main")


def _needs_packages(build: Build) -> bool:
    """It is to build packages (not only to say how, `-n`), and there were some (go's messages are never translated)."""
    asked_only = "-n" in build.flags
    return build.subcommand in _FROM_CACHE and not asked_only and "matched no packages" not in build.span.stderr
