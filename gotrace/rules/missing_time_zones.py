"""GT502: a time zone by name, and no data base of time zones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar, Final

from gotrace.events.facets import Facet
from gotrace.events.model import SyscallError
from gotrace.rules import evidence, system_files
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.system_files import CERTAIN, Seeker
from gotrace.trace.model import Trace

_FOLDER: Final = "/usr/share/zoneinfo"
_ALSO: Final = ("/usr/share/lib/zoneinfo", "/usr/lib/locale/TZ")
"""Go looks there as well, since its first release; in /etc/zoneinfo since 1.21."""

_MOST_ZONES: Final = 8


class MissingTimeZones(Rule):
    """A program failed to load a time zone by its name, because the data base of time zones is not where it runs.

    What it detects
    ---------------
    A program of Go failed after time.LoadLocation had looked for a zone in all folders that Go knows: the same name
    ended with ENOENT in each of them, and the program has no zones linked in. Whether the folders hold other zones
    was looked up afterwards: then it is the name that is wrong.

    Why it happens
    --------------
    The names and rules of time zones are files below /usr/share/zoneinfo. An image that was built FROM scratch has
    none, nor have most small images of distributions. On the machine that has Go installed the program works
    all the same, because Go falls back to $GOROOT/lib/time/zoneinfo.zip.

    How to fix it
    -------------
    Build the program with `-tags timetzdata` (or import time/tzdata), which makes it half a megabyte larger and
    independent of files. Or put /usr/share/zoneinfo into the image, or install the package tzdata. A name such as
    US/Eastern is in a package of its own (tzdata-legacy) since Debian 13 and Ubuntu 24.04.

    References
    ----------
    - https://pkg.go.dev/time#LoadLocation, https://pkg.go.dev/time/tzdata
    - Go's src/time/zoneinfo_unix.go and zoneinfo_read.go
    - https://github.com/golang/go/issues/38017
    """

    code = "GT502"
    name = "missing-time-zones"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.FAILED_PATHS})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each zone that a failed program missed."""
        for seeker in system_files.seekers(trace):
            for zone, calls in _missed(seeker):
                sure, words = seeker.blames(re.compile(rf"\bunknown time zone {re.escape(zone)}\b"))
                # Without a word of it, only a program that is known to have no zones of its own must have failed.
                if not sure or (sure < CERTAIN and (seeker.parts is None or "time zones" in seeker.parts)):
                    continue
                yield Finding(
                    code=self.code,
                    name=self.name,
                    severity=Severity.ERROR if sure == CERTAIN else Severity.WARNING,
                    message=_message(seeker, zone),
                    span=seeker.span,
                    evidence=evidence.of(*calls, evidence.quoted(words), seeker.span.exit),
                    fix=_fixes(trace, seeker, zone),
                    confidence=sure,
                    explains=frozenset({seeker.key}),
                )


def _missed(seeker: Seeker) -> Iterator[tuple[str, list[SyscallError]]]:
    """Zones that are in none of the folders, but for the one of the variable TZ: without that, Go takes UTC."""
    of_start = (seeker.span.exec.env or {}).get("TZ", "").removeprefix(":")
    tried = dict.fromkeys(
        system_files.normal(call.paths[0]).removeprefix(f"{_FOLDER}/")
        for call in seeker.span.errors
        if call.paths and call.paths[0].startswith(f"{_FOLDER}/")
    )
    for zone in list(tried)[:_MOST_ZONES]:
        calls = seeker.lacks(f"{folder}/{zone}" for folder in (_FOLDER, *_ALSO))
        if calls and zone != of_start:
            yield zone, calls


def _message(seeker: Seeker, zone: str) -> str:
    there = seeker.known("time_zones")
    if there:
        return f"{seeker.name} knows no time zone {zone}: there are time zones in {there[0]}, but none of that name."
    return (
        f"{seeker.name} knows no time zone {zone}: {_FOLDER} and the other folders that Go looks into are not among "
        f"the files of {seeker.where}, and it has no time zones of its own."
    )


def _fixes(trace: Trace, seeker: Seeker, zone: str) -> list[Fix]:
    built_in = system_files.rebuilt(trace, seeker, "timetzdata", "Build the time zones into the program.")
    if seeker.known("time_zones"):
        correct = Fix(f"Correct the name {zone}: https://www.iana.org/time-zones has them all.")
        return [correct, Fix("If it is an old name, build all of them into the program.", built_in.command)]
    ways = system_files.copies(seeker, [_FOLDER], "the time zones")
    ways += system_files.install(trace, seeker, [system_files.package("time zones")], "Or install the time zones")
    return [built_in, *ways]
