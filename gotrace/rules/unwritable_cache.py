"""GT110: go has no build cache that it can write to."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import ClassVar

from gotrace.events.errno import errno_name
from gotrace.events.facets import Facet
from gotrace.events.model import SyscallError
from gotrace.rules import evidence, fixes, places, steps
from gotrace.rules.base import Rule
from gotrace.rules.finding import Evidence, Finding, Fix, Severity
from gotrace.rules.places import Place
from gotrace.trace.model import Build, Trace

_MAKING = frozenset({"mkdir", "mkdirat"})
_REFUSALS = {
    "EROFS": "its file system is read-only",
    "EACCES": "permission is denied",
    "EPERM": "the kernel does not permit it",
    "ENOTDIR": "a part of that path is a file",
}
_NO_FOLDER = re.compile(r"build cache is (?:required, but could not be located|disabled by GOCACHE=off)")
_CANNOT_BEGIN = re.compile(r"failed to initialize build cache at (?P<path>/.*?): ")
"""cmd/go/internal/cache/default.go; Go's own messages are in English under every locale."""


class UnwritableCache(Rule):
    """Go cannot write to its build cache, or does not know where that should be.

    What it detects
    ---------------
    A go command ended before it ran any tool, and one of its own calls shows why: mkdir(2) of the cache's folder, of
    one above it or of one of the 256 folders in it (00 to ff) was refused. Also a go command whose environment says
    nothing of a place: neither GOCACHE nor XDG_CACHE_HOME nor HOME, or GOCACHE=off.

    Why it happens
    --------------
    Since Go 1.12 nothing is built without a cache. It lies in $XDG_CACHE_HOME/go-build or $HOME/.cache/go-build, and
    containers that run as a user without a home, read-only root file systems, and services without HOME have no such
    place. After a `sudo go build` the folder may belong to root. A cache that is complete but read-only does no harm:
    go reads it and keeps nothing new.

    How to fix it
    -------------
    Name a folder that can be written: `env GOCACHE=/some/folder go build`. It may be empty, and is best private: what
    others can write there ends up in your programs. A cache that belongs to another user is given back by chown.

    References
    ----------
    - go help cache; go help environment (GOCACHE)
    - https://go.dev/issue/23638, https://go.dev/issue/29267
    - https://github.com/criyle/go-judge/issues/52, https://github.com/openshift/release/issues/9748
    """

    code = "GT110"
    name = "unwritable-cache"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.FAILED_PATHS})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each go command that could not begin."""
        for build in trace.builds:
            if not build.failed or any(span.package for span in build.spans):
                continue
            known = places.of(trace, build)
            folder = _folder(build, known)
            call = next((c for c in build.span.errors if c.syscall in _MAKING and folder and _makes(c, folder)), None)
            words = evidence.said(build.span, _NO_FOLDER)
            if call is not None and folder is not None:
                yield self._refused(trace, build, known, folder, call)
            elif words is not None and not _names_a_folder(build):
                yield self._nowhere(trace, build, known, words)

    def _refused(self, trace: Trace, build: Build, known: list[Place], folder: str, call: SyscallError) -> Finding:
        place = places.used_as(known, "GOCACHE")
        owner, user = place.owner if place is not None else "", _user(trace)
        reason = _REFUSALS[errno_name(call.errno)]
        foreign = errno_name(call.errno) == "EACCES" and bool(owner and user) and user not in (owner, "root")
        if foreign and place is not None:
            there = str(place.fact.data.get("there") or folder)
            reason = f"{there} belongs to {owner}, and this is {user}"
        own = folder == posixpath.normpath(build.env.get("GOCACHE") or "")
        words = evidence.said(build.span, _CANNOT_BEGIN)
        return self._finding(
            build,
            f"Go cannot write to its build cache {folder}{' (GOCACHE)' if own else ''}: {reason}.",
            evidence.of(call, evidence.quoted(words), build.span.exit, place.fact if place else None),
            [*_give_back(folder, place, user, foreign), *_elsewhere(trace, build, known)],
        )

    def _nowhere(self, trace: Trace, build: Build, known: list[Place], words: evidence.Words) -> Finding:
        off = build.env.get("GOCACHE") == "off"
        why = "GOCACHE=off turns it off" if off else "none of GOCACHE, XDG_CACHE_HOME and HOME is set"
        return self._finding(
            build,
            f"Go has no place for its build cache, without which it builds nothing: {why}.",
            evidence.of(build.span.exec, evidence.quoted(words), build.span.exit),
            _elsewhere(trace, build, known),
        )

    def _finding(self, build: Build, message: str, proof: list[Evidence], ways_out: list[Fix]) -> Finding:
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=message,
            span=build.span,
            evidence=proof,
            fix=ways_out,
            explains=frozenset({steps.span_key(build.span), steps.build_key(build)}),
        )


def _folder(build: Build, known: list[Place]) -> str | None:
    """Where the cache is: as go says itself, else by the rules of cmd/go/internal/cache.DefaultDir."""
    place = places.used_as(known, "GOCACHE")
    if place is not None:
        return posixpath.normpath(place.path)
    words = evidence.said(build.span, _CANNOT_BEGIN)
    if words is not None:
        return posixpath.normpath(words.found["path"])
    for variable, below in (("GOCACHE", ""), ("XDG_CACHE_HOME", "go-build"), ("HOME", ".cache/go-build")):
        value = build.env.get(variable, "")
        if value.startswith("/"):
            return posixpath.normpath(posixpath.join(value, below))
    return None


def _names_a_folder(build: Build) -> bool:
    """Not where GOCACHE is "off". XDG_CACHE_HOME and HOME count where they are absolute (os.UserCacheDir of Go)."""
    if build.env.get("GOCACHE"):
        return build.env["GOCACHE"] != "off"
    return any(build.env.get(variable, "").startswith("/") for variable in ("XDG_CACHE_HOME", "HOME"))


def _makes(call: SyscallError, folder: str) -> bool:
    """The call is a refused mkdir of the cache, of a folder above it, or of one of those in it."""
    if call.syscall not in _MAKING or not call.paths or errno_name(call.errno) not in _REFUSALS:
        return False
    path = posixpath.normpath(call.paths[-1])
    if folder == path or folder.startswith(path.rstrip("/") + "/"):
        return True
    return posixpath.dirname(path) == folder and re.fullmatch("[0-9a-f]{2}", posixpath.basename(path)) is not None


def _user(trace: Trace) -> str:
    return str((trace.fact("command") or {}).get("user") or "")


def _give_back(folder: str, place: Place | None, user: str, foreign: bool) -> list[Fix]:
    if place is None or not foreign or place.fact.data.get("there") != place.path:
        return []
    return [Fix(f"Give the cache to {user}.", ("sudo", "chown", "-R", user, folder))]


def _elsewhere(trace: Trace, build: Build, known: list[Place]) -> list[Fix]:
    folder = places.new_cache(build, known)
    if folder is None:
        return [Fix("Name a folder that can be written in GOCACHE.")]
    text = "Keep the cache in a folder that can be written; the first build fills it."
    return [fixes.corrected(trace, build, {"GOCACHE": folder}, text)]
