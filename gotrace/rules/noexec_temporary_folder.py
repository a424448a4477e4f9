"""GT112: a program that go made must not be executed where it was made."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from gotrace.events.errno import errno_name
from gotrace.events.facets import Facet
from gotrace.events.model import Exec
from gotrace.rules import evidence, fixes, places, steps
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.places import Place
from gotrace.trace.model import Build, Span, Trace

_MADE_BY_GO = re.compile(r"(?P<above>.+)/go-build\d*/b\d+/(exe/)?[^/]+$")
"""What `go run` and `go test` link and execute (cmd/go/internal/work/action.go, NewObjdir)."""
_IN_CACHE = re.compile(r"(?P<above>.+)/[0-9a-f]{2}/[0-9a-f]{64}-d/[^/]+$")
"""Tools that go builds when they are needed and keeps in the build cache, since Go 1.24."""


@dataclass(frozen=True, slots=True)
class _Refused:
    """A program that go made and may not run."""

    starter: Span
    attempt: Exec
    folder: str
    """Where go makes such programs."""
    cached: bool
    """It lies in the build cache, not in the temporary folder."""


class NoexecTemporaryFolder(Rule):
    """go run, go test or go tool made a program on a file system that forbids execution.

    What it detects
    ---------------
    The go command made a program and the kernel refused to execute it: execve(2) of a path below go-build* ended with
    EACCES. Go makes its programs executable, so the file system is mounted with the option noexec; whether it is was
    asked when the command had ended.

    Why it happens
    --------------
    Hardened systems mount /tmp (or /var/tmp, /dev/shm, /home) with noexec. `go build` does not mind: it executes
    nothing there. `go run` and `go test` execute what they linked in the temporary folder, GOTMPDIR or else TMPDIR or
    /tmp. Tools that go builds for itself lie in the build cache, so GOCACHE may be concerned as well.

    How to fix it
    -------------
    Point GOTMPDIR to a folder where execution is allowed: `env GOTMPDIR=$HOME go test ./...`. The folder must exist.
    Or build first and run the program from elsewhere: `go build -o app . && ./app`.

    References
    ----------
    - https://go.dev/issue/52941
    - https://github.com/perkeep/perkeep/issues/915, https://github.com/chromebrew/chromebrew/issues/87
    - mount(8), execve(2) (EACCES)
    """

    code = "GT112"
    name = "noexec-temporary-folder"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.FAILED_EXECS})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each go command, however many programs it could not run."""
        for build in trace.builds:
            refused = _refused(build)
            if not build.failed or refused is None:
                continue
            place = places.holding(places.of(trace, build), refused.attempt.path)
            if place is None or place.noexec:
                yield self._finding(trace, build, refused, place)

    def _finding(self, trace: Trace, build: Build, refused: _Refused, place: Place | None) -> Finding:
        span = refused.starter
        mounted = "is mounted with noexec" if place is not None else "does not allow it"
        name = refused.attempt.path.rpartition("/")[2]
        where = f"{'build cache' if refused.cached else 'temporary folder'} {place.path if place else refused.folder}"
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=f"go {build.subcommand} made {name} in the {where} and may not run it: its file system {mounted}.",
            span=span,
            evidence=evidence.of(refused.attempt, build.span.exit, place.fact if place else None),
            fix=_fixes(trace, build, "GOCACHE" if refused.cached else "GOTMPDIR", place),
            confidence=1.0 if place is not None else 0.8,
            explains=frozenset({steps.span_key(span), steps.span_key(build.span), steps.build_key(build)}),
        )


def _refused(build: Build) -> _Refused | None:
    """The first program of go's own making that the kernel refused."""
    for span in build.spans:
        for attempt in span.failed_execs:
            made, cached = _MADE_BY_GO.fullmatch(attempt.path), _IN_CACHE.fullmatch(attempt.path)
            found = made or cached
            if found is not None and errno_name(attempt.error) == "EACCES":
                return _Refused(span, attempt, found["above"], made is None)
    return None


def _fixes(trace: Trace, build: Build, variable: str, place: Place | None) -> list[Fix]:
    known = places.of(trace, build)
    home = places.with_room(known, place, execution=True)
    folder = home.path if home is not None else None
    if folder is not None and variable == "GOCACHE":
        folder = f"{folder.rstrip('/')}/.cache/gocache"
    if folder is None:
        return [Fix(f"Point {variable} to a folder on a file system without noexec.")]
    where = "Have it made where programs may be run."
    ways_out = [fixes.corrected(trace, build, {variable: folder}, where)]
    if build.subcommand == "run":
        ways_out.append(Fix("Or build it with go build -o, which runs nothing, and run it from there."))
    return ways_out
