"""GT111: a build that found no room to write."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from gotrace.events.errno import NUMBERS, errno_name
from gotrace.events.facets import Facet
from gotrace.events.model import SyscallError
from gotrace.rules import errno_texts, evidence, fixes, places, steps
from gotrace.rules.base import Rule, UndecidedError
from gotrace.rules.evidence import Words
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.places import Place
from gotrace.trace.argv import absolute, work_folder
from gotrace.trace.buildcache import keeps_in, private_folder
from gotrace.trace.model import Build, Span, Trace

_NO_ROOM = frozenset({"ENOSPC", "EDQUOT"})
_NUMBERS = frozenset(NUMBERS[name] for name in _NO_ROOM)
_WRITING = re.compile(
    r"p?writev?(64|2)?|fallocate|f?truncate(64)?|copy_file_range|sendfile(64)?|splice|open(at2?)?|creat|mkdir(at)?"
    r"|mknod(at)?|rename(at2?)?|link(at)?|symlink(at)?|fsync|fdatasync|close"
)
"""Not inotify_add_watch(2) and others, whose ENOSPC is about something else than a disk."""
_SAID = re.compile(r"(?:(?P<path>/[^\s:]+): )?(?:[Nn]o space left on device|[Dd]is[ck] quota exceeded)$")
_FULL = 16 << 10
"""Where less is free than this, small writes fail too."""
_TIGHT = 64 << 20
"""A file system of this size, or with so little left, may have been full for a moment; an ordinary one was not."""


@dataclass(slots=True)
class _Lack:
    """What a build tells of a want of room."""

    calls: list[tuple[Span, SyscallError]] = field(default_factory=list)
    words: tuple[Span, Words] | None = None
    cache: Place | None = None
    """The build cache, where it is full and nothing else says why the go command ended."""


class DiskFull(Rule):
    """A file system was full, so a part of the build could not be written.

    What it detects
    ---------------
    Calls that write failed with ENOSPC or EDQUOT in a step that failed, or in the go command itself: write(2),
    fallocate(2) and the like. They have no path: which folder is full is told by the step's work folder, by what is
    free in the folders of the build afterwards, or by the tool's words. Where failing writes are not observed (ptrace),
    it goes by the words `no space left on device` (of C tools: the system's text for it in their language) or by a
    build cache that is still full, with less confidence; if neither is there, though a file system is small or nearly
    full, it is not evaluated.

    Why it happens
    --------------
    Go writes to two folders: the build cache (GOCACHE), which grows without limit for days, and the temporary folder
    (GOTMPDIR, else TMPDIR, else /tmp), often a small tmpfs in containers; the C compiler and the linker use TMPDIR.
    A full cache is the worst case: go cannot keep its index of packages and says only `cannot find package`, or that a
    package of the standard library is not in std.

    How to fix it
    -------------
    Make room, or point the variable of the full folder to one that has: `env GOTMPDIR=/some/folder go build` (it must
    exist), `env GOCACHE=...`, `env TMPDIR=...`. `go clean -cache` empties the cache; folders go-build* in the temporary
    folder are left over from builds that were killed.

    References
    ----------
    - https://go.dev/issue/60076 (the misleading message), https://go.dev/issue/29561 (a cache without a limit)
    - go help environment (GOTMPDIR, GOCACHE)
    """

    code = "GT111"
    name = "disk-full"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.FAILED_PATHS})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each go command."""
        doubtful = ""
        for build in trace.builds:
            if not build.failed:
                continue
            known = places.of(trace, build)
            lack = _lack(trace, build, known)
            if lack is not None:
                yield self._finding(trace, build, known, lack)
            elif Facet.ALL_FAILURES not in trace.observes:
                doubtful = doubtful or _doubt(build, known)
        if doubtful:
            raise UndecidedError(doubtful)

    def _finding(self, trace: Trace, build: Build, known: list[Place], lack: _Lack) -> Finding:
        span = lack.calls[0][0] if lack.calls else lack.words[0] if lack.words else build.span
        place = _place(build, known, lack)
        calls = evidence.sample([call for _, call in lack.calls], 2)
        keys = {steps.span_key(one) for one in build.spans if one.failed} | {steps.build_key(build)}
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=_message(span, place, lack),
            span=span,
            evidence=evidence.of(
                *calls, evidence.quoted(lack.words[1] if lack.words else None), span.exit, place.fact if place else None
            ),
            fix=_fixes(trace, build, known, place, span),
            confidence=1.0 if lack.calls else 0.8,
            explains=frozenset(keys),
        )


def _lack(trace: Trace, build: Build, known: list[Place]) -> _Lack | None:
    lack = _Lack()
    tools = [one for one in build.spans if one is not build.span and steps.broke_the_build(one)]
    spans = [*tools, build.span]  # go repeats its tools' words
    for span in spans:
        lack.calls += [(span, call) for call in span.errors if call.errno in _NUMBERS and _no_room(call)]
    if Facet.ALL_FAILURES in trace.observes and not lack.calls:
        return None
    for span in spans:
        words = evidence.said(span, _SAID) or errno_texts.said(trace, span, *_NO_ROOM)
        lack.words = lack.words or ((span, words) if words is not None else None)
    if Facet.ALL_FAILURES in trace.observes:
        return lack
    if lack.words is not None:
        return lack
    cache = places.used_as(known, "GOCACHE")
    own = not any(span.failed and not span.probe for span in build.spans if span is not build.span)
    if not own or cache is None or cache.readonly or cache.free >= _FULL:
        return None
    lack.cache = cache
    return lack


def _no_room(call: SyscallError) -> bool:
    return call.errno in _NUMBERS and _WRITING.fullmatch(call.syscall) is not None


def _doubt(build: Build, known: list[Place]) -> str:
    """Why it is not known whether a write failed; empty where every file system has room enough."""
    for place in known:
        if place.use != "HOME" and not place.readonly and (place.size < _TIGHT or place.free < _TIGHT):
            return (
                "writes that fail are not observed by this source, and the file system of "
                f"{place.path} has {places.amount(place.free)} free of {places.amount(place.size)}"
            )
    return ""


def _place(build: Build, known: list[Place], lack: _Lack) -> Place | None:
    """The folder that was full, as far as something tells it."""
    if lack.cache is not None:
        return lack.cache
    named = lack.words[1].found["path"] if lack.words is not None else None
    paths = [named] if named else []
    paths += [absolute(path, span.exec.cwd) for span, call in lack.calls for path in call.paths[-1:]]
    for path in paths:
        place = places.holding(known, path)
        if place is not None:
            return place
    writable = [one for one in known if one.use != "HOME" and not one.readonly]
    full = min(writable, key=lambda one: one.free, default=None)
    if full is not None and full.free < _FULL:
        return full
    spans = [span for span, _ in lack.calls] + ([lack.words[0]] if lack.words is not None else [])
    folders = [folder for span in spans if (folder := work_folder(span.argv)) is not None]
    inside = [place for folder in folders if (place := places.holding(known, folder)) is not None]
    # It has been emptied since: of several that is the smallest.
    return inside[0] if inside else min(writable, key=lambda one: one.size, default=None)


def _message(span: Span, place: Place | None, lack: _Lack) -> str:
    quota = any(errno_name(call.errno) == "EDQUOT" for _, call in lack.calls)
    what = "quota of the file system" if quota else "file system"
    if place is None:
        return f"The {what} that {span.role.value} writes to is exhausted: a write failed for want of room."
    variable = {
        "GOCACHE": "the build cache, ",
        "GOTMPDIR": "the temporary folder, ",
        "TMPDIR": "the temporary folder, ",
    }
    named = variable.get(place.use, "")
    left = f"{places.amount(place.free)} free of {places.amount(place.size)}"
    if lack.cache is not None:
        return f"The {what} of {named}{place.path}, is full ({left}), so go can keep nothing there."
    comma = "," if named else ""
    return f"The {what} of {named}{place.path}{comma} was full when {span.role.value} wrote to it ({left} now)."


def _fixes(trace: Trace, build: Build, known: list[Place], place: Place | None, span: Span) -> list[Fix]:
    if place is None:
        return [Fix("Make room on that file system, or point GOTMPDIR, TMPDIR and GOCACHE to one that has.")]
    if place.use == "GOCACHE":
        elsewhere = _another_cache(trace, build, known, place)
        # What gotrace gave the command for one build (--fresh) is empty again already.
        return elsewhere if keeps_in(build, private_folder(trace)) else [*elsewhere, _empty_cache(trace, build)]
    if place.use in ("GOTMPDIR", "TMPDIR"):
        there = f"Remove what nobody needs in {place.path}; go-build* folders there are left over from killed builds."
        return [*_another_temporary(trace, build, known, place), Fix(there)]
    return [Fix(f"Make room on the file system of {place.path}, or build into another folder with -o.")]


def _another_cache(trace: Trace, build: Build, known: list[Place], full: Place) -> list[Fix]:
    elsewhere = [one for one in known if one.use in ("", "HOME") and one.free > max(full.free, _TIGHT)]
    folder = places.new_cache(build, elsewhere) if elsewhere else None
    if folder is None:
        return [Fix("Point GOCACHE to a folder with room.")]
    return [fixes.corrected(trace, build, {"GOCACHE": folder}, "Keep the build cache where there is room.")]


def _empty_cache(trace: Trace, build: Build) -> Fix:
    own = build.env.get("GOCACHE")
    command = ("env", f"GOCACHE={own}", "go", "clean", "-cache") if own else ("go", "clean", "-cache")
    return Fix("Or empty it; the next build is slow.", command)


def _another_temporary(trace: Trace, build: Build, known: list[Place], full: Place) -> list[Fix]:
    # Without GOTMPDIR go uses TMPDIR, and so do the C compiler and the linker.
    variable = "GOTMPDIR" if full.use == "GOTMPDIR" and build.env.get("GOTMPDIR") else "TMPDIR"
    home = places.with_room(known, full)
    if home is None:
        return [Fix(f"Point {variable} to an existing folder with room.")]
    text = f"Make temporary files where there is room: {places.amount(home.free)} are free there."
    return [fixes.corrected(trace, build, {variable: home.path}, text)]
