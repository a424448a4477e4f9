"""GT417: memory grows all the time, and it is not Go's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Final, Self, TypeGuard

from msgspec.structs import replace

from gotrace.events.facets import Facet
from gotrace.events.model import Fact
from gotrace.events.signals import signal_name
from gotrace.events.tools import is_tool
from gotrace.rules import evidence, loaded_files, rebuild
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.places import amount
from gotrace.rules.survived import ended_from_outside
from gotrace.trace.model import Span, Trace

_MUCH: Final = 48 << 10
"""KiB that have to come to it."""
_LONG_MS: Final = 4000
_QUARTERS: Final = 4
_STEADY: Final = 0.1
"""The part of all growth that each quarter of the time has at least; with even growth it is 0.25."""
_OF_GO: Final = 0.25
"""More than this part of what C gained came to Go's heap too: then who looks for it begins with pprof."""
_MANY_ARENAS: Final = 8
_KIB: Final = 1024
_AND_RUN: Final = (
    " (Go 1.25 or later) and let it end by itself with LSAN_OPTIONS=use_root_regions=0 in its environment; while it "
    "runs, memleak of bcc's tools tells it too."
)


class CMemoryGrowth(Rule):
    """The memory of a program grows and grows, and Go's heap does not: what C allocates is not freed.

    What it detects
    ---------------
    All the time that a program was watched its resident memory grew, by 48 MiB or more, and that was memory of C:
    neither Go's heap nor a file nor shared memory. The program still ran in the end, or somebody else ended it (^C,
    systemd, the kernel for want of memory). One that ended by itself is not spoken of, nor one that grew at its start
    only.

    Why it happens
    --------------
    Go's garbage collector knows nothing of what C.CString, C.CBytes, C.malloc or a library allocated, and so pprof
    shows none of it: RSS grows, the heap profile is flat. Each of those wants its C.free, and each object of a library
    the function that gives it back. Beside that, glibc's malloc keeps up to eight arenas for each CPU, and what was
    freed stays in the arena of the thread that it came from: Go calls C from many threads.

    How to fix it
    -------------
    Free what C allocated. To see who allocated it: build with -asan (Go 1.25 or later) and have the program end by
    itself with LSAN_OPTIONS=use_root_regions=0. LeakSanitizer then lists C's memory by the C function that asked for
    it, also what only Go's heap points to. (Without that option it takes what Go has dropped, but not yet overwritten,
    for pointers that are in use, and says nothing: so it is with each C.CString.) Of a program that runs, memleak of
    bcc's tools shows the stacks. Where all is freed and many arenas are there, set MALLOC_ARENA_MAX=2, or call
    malloc_trim(3) now and then.

    References
    ----------
    - https://pkg.go.dev/cmd/cgo#hdr-Go_references_to_C (C.CString wants C.free)
    - mallopt(3) (M_ARENA_MAX), https://go.dev/doc/go1.25 (-asan and leaks)
    - https://go.dev/issue/53440
    """

    code = "GT417"
    name = "c-memory-growth"
    severity = Severity.WARNING
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each program, of the process of it that grew most."""
        most: dict[str, tuple[Span, _Growth]] = {}
        for fact in trace.facts_of("memory"):
            span, grown = _last_image(trace, fact.pid), _Growth.of(fact)
            if span is None or grown is None or not _is_a_service(span):
                continue
            known = most.get(span.exec.path)
            if known is None or known[1].c < grown.c:
                most[span.exec.path] = span, grown
        for span, grown in most.values():
            yield Finding(
                code=self.code,
                name=self.name,
                severity=self.severity,
                message=_message(span, grown),
                span=span,
                evidence=evidence.of(*grown.told(), span.exit),
                fix=_fixes(trace, span, grown),
                confidence=0.9 if grown.go else 0.8,
            )


@dataclass(frozen=True, slots=True)
class _Growth:
    """What came to a process between the first time that its owners were looked at and the last; in KiB."""

    fact: Fact
    ms: int
    c: int
    go: int
    first: dict[str, int]
    last: dict[str, int]

    @classmethod
    def of(cls, fact: Fact) -> Self | None:
        """None where C gained little, or Go much as well, or it was not all the time."""
        readings, owners = fact.data.get("resident"), fact.data.get("owners")
        if not _are_readings(readings) or not _are_owners(owners) or not _all_the_time(readings):
            return None
        first, last = owners[0], owners[-1]
        ms, c, go = last["ms"] - first["ms"], last["c"] - first["c"], last["go"] - first["go"]
        return cls(fact, ms, c, go, first, last) if ms > 0 and c >= _MUCH and go <= c * _OF_GO else None

    @property
    def rate(self) -> str:
        """Of C, a second."""
        return f"{amount(self.c * _KIB * 1000 // self.ms)} a second"

    def told(self) -> list[Fact]:
        """For evidence: the first and the last look, at their times."""
        since_ns = self.fact.data.get("since_ns")
        since_ns = since_ns if isinstance(since_ns, int) else self.fact.ts_ns
        looks = (self.first, self.last)
        return [replace(self.fact, ts_ns=since_ns + one["ms"] * 1_000_000, data=one) for one in looks]


def _are_readings(given: object) -> TypeGuard[Sequence[Sequence[int]]]:
    return isinstance(given, Sequence) and all(
        isinstance(one, Sequence) and len(one) == 2 and all(isinstance(number, int) for number in one) for one in given
    )


def _are_owners(given: object) -> TypeGuard[Sequence[dict[str, int]]]:
    names = ("ms", "go", "c", "files", "arenas")
    return (
        isinstance(given, Sequence)
        and len(given) > 1
        and all(isinstance(one, dict) and all(isinstance(one.get(name), int) for name in names) for one in given)
    )


def _all_the_time(readings: Sequence[Sequence[int]]) -> bool:
    """In each quarter of the time, and up to the end: what grows at its start and then no more is a cache."""
    if len(readings) <= _QUARTERS or readings[-1][0] - readings[0][0] < _LONG_MS:
        return False
    steps = [readings[(len(readings) - 1) * quarter // _QUARTERS][1] for quarter in range(_QUARTERS + 1)]
    least = (steps[-1] - steps[0]) * _STEADY
    return least > 0 and all(later - earlier >= least for earlier, later in pairwise(steps))


def _last_image(trace: Trace, pid: int) -> Span | None:
    return next((span for span in reversed(trace.spans) if span.process.pid == pid), None)


def _is_a_service(span: Span) -> bool:
    """It ran on, or somebody ended it; compilers and linkers take what they need, and are done with it at their end."""
    return not is_tool(span.role) and (span.exit is None or ended_from_outside(span))


def _message(span: Span, grown: _Growth) -> str:
    seconds = grown.ms / 1000
    gained = f"{amount(grown.c * _KIB)} of C memory came to {loaded_files.name_of(span.exec.path)} in {seconds:.0f} s"
    number = span.exit.signal if span.exit is not None else None
    killed = number is not None and signal_name(number) == "SIGKILL"
    until = ", until it was killed (SIGKILL, which is also what the kernel sends for want of memory)" if killed else ""
    if not grown.last["go"]:
        return f"{gained}, {grown.rate}, all the time that it was watched{until}."
    heap = f"Go's heap grew by {amount(grown.go * _KIB)}" if grown.go > 0 else "Go's heap did not grow"
    return f"{gained}, {grown.rate}, all the time that it was watched{until}; {heap}, so pprof does not show it."


def _fixes(trace: Trace, span: Span, grown: _Growth) -> list[Fix]:
    program = loaded_files.files(trace, span).program
    by_cgo = program if rebuild.uses_cgo(program) else None
    command = rebuild.again(by_cgo, "CGO_ENABLED=1", flags=("-asan",)) if by_cgo is not None else ()
    fixes = [
        Fix("Free what C allocates: C.CString, C.CBytes and C.malloc want C.free, objects of a library its own."),
        Fix(f"To see who allocated it, build it with -asan{_AND_RUN}", command),
    ]
    if (arenas := grown.last["arenas"]) >= _MANY_ARENAS:
        fixes.append(Fix(f"Where all is freed: glibc keeps {arenas} heaps of 64 MiB; MALLOC_ARENA_MAX=2 bounds that."))
    return fixes
