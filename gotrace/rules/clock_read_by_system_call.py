"""GT413: each reading of the clock is a system call, because the vDSO does not serve."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from operator import attrgetter
from typing import ClassVar, Final

from gotrace.events.facets import Facet
from gotrace.events.model import ClockReads, Event, Fact
from gotrace.rules import evidence, fixes
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.trace.model import Span, Trace

_VDSO: Final = "[vdso]"
_MANY: Final = 1000
_A_SECOND: Final = 100
_SYSCALL: Final = "syscall"
"""By this function of a C library a program makes a call of its own choice."""
_SERVED: Final = ("tsc", "kvm-clock", "hyperv_clocksource_tsc_page")
"""Clock sources that the vDSO reads by itself, unless the machine below says that they are not reliable."""


class _Cause(Enum):
    """Why the vDSO does not serve."""

    CLOCK_SOURCE = auto()
    NOT_MAPPED = auto()
    NOT_TOLD = auto()


@dataclass(frozen=True, slots=True)
class _Reading:
    """A program that reads the clock by system calls, and where in its code."""

    span: Span
    cause: _Cause
    places: tuple[ClockReads, ...]
    """The busiest first."""

    @property
    def count(self) -> int:
        return sum(one.count for one in self.places)

    @property
    def rate(self) -> float:
        """Calls in a second, from the first one to the last one."""
        lasted = max(one.ts_ns for one in self.places) - min(one.began_ns for one in self.places)
        return self.count * 1e9 / max(lasted, 1)


class ClockReadBySystemCall(Rule):
    """Programs read the clock by system calls, ten times as slow, because the vDSO does not do it for them.

    What it detects
    ---------------
    A program read the clock by a thousand system calls or more, and at least a hundred a second, that are none where
    the vDSO serves: clock_gettime of the clocks that it knows, gettimeofday and time. They came from the vDSO itself,
    from Go's runtime (time.Now), or from a shared C library. Calls that a program makes for itself (syscall.Syscall,
    syscall(2)) do not count, and neither do clocks that only the kernel can read, such as CPU times.

    Why it happens
    --------------
    The kernel maps a small library into every process, the vDSO, that reads the time without entering the kernel. Go's
    runtime, with cgo or without, and the C libraries find it by an entry of the auxiliary vector, AT_SYSINFO_EHDR.
    Three things keep it from its work. The kernel's clock source can only be read by the kernel: hpet, acpi_pm, or xen,
    often because the processor's counter (tsc) was found unstable; then the vDSO itself makes the call. The kernel maps
    none: it was started with vdso=0. Or the program is not told of it: tools that have to see every call, some
    sandboxes, and libraries that are preloaded blank the entry. time.Now takes two readings, so it becomes two calls.

    How to fix it
    -------------
    Have the kernel use a clock source that the vDSO can read: `cat
    /sys/devices/system/clocksource/clocksource0/available_clocksource` tells which there are, and its log why it left
    tsc. In a virtual machine that is up to the machine below: another type of instance, or a setting of the hypervisor.
    Start the program without what hides the vDSO. Until then, read the time less often: once for each request, or by a
    goroutine that keeps it.

    References
    ----------
    - vdso(7), getauxval(3), https://go.dev/issue/57749
    - the kernel's lib/vdso/gettimeofday.c, and clocksource= and vdso= in its kernel-parameters.txt
    - Go's src/runtime/vdso_linux.go and src/runtime/time_linux_amd64.s
    """

    code = "GT413"
    name = "clock-read-by-system-call"
    severity = Severity.WARNING
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.LIBRARIES, Facet.CLOCK_READS})
    infers_from_absence: ClassVar[frozenset[str]] = frozenset({"library"})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each cause, of the program that reads most."""
        found = sorted(_readings(trace), key=attrgetter("count"), reverse=True)
        for cause in _Cause:
            alike = [one for one in found if one.cause is cause]
            if alike:
                yield self._finding(trace, alike)

    def _finding(self, trace: Trace, alike: Sequence[_Reading]) -> Finding:
        reading, others = alike[0], len({one.span.exec.path for one in alike} - {alike[0].span.exec.path})
        source = next(trace.facts_of("clock_source"), None)
        more = f" So did {others} other program{'s' * (others > 1)}." if others else ""
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=(
                f"{reading.span.program} read the clock by {reading.count:,} system calls, {reading.rate:,.0f} a "
                f"second, where the vDSO needs none: {_why(reading, source)}.{more}"
            ),
            span=reading.span,
            evidence=evidence.of(*_proof(reading, source)),
            fix=_fixes(trace, reading, source),
        )


def _readings(trace: Trace) -> Iterator[_Reading]:
    for span in trace.spans:
        for cause in _Cause:
            places = [one for one in span.clock_reads if _cause(span, one) is cause]
            reading = _Reading(span, cause, tuple(sorted(places, key=attrgetter("count"), reverse=True)))
            if reading.count >= _MANY and reading.rate >= _A_SECOND:
                yield reading


def _cause(span: Span, reads: ClockReads) -> _Cause | None:
    """Whose call it is says why it is made; None: the program's own, or nobody knows."""
    place = reads.place
    if place is None or not span.libraries:
        return None
    if place.origin == "vdso":
        return _Cause.CLOCK_SOURCE
    of_runtime = place.origin == "go" and (place.symbol.startswith("runtime.") or place.symbol == "time.now")
    of_libc = place.origin == "libc" and place.symbol != _SYSCALL
    if not of_runtime and not of_libc:
        return None
    return _Cause.NOT_TOLD if _vdso(span) is not None else _Cause.NOT_MAPPED


def _vdso(span: Span) -> Event | None:
    return next((one for one in span.libraries if one.path == _VDSO), None)


def _proof(reading: _Reading, source: Fact | None) -> Iterator[Event | None]:
    yield from reading.places[:3]
    if reading.cause is _Cause.NOT_TOLD:
        yield _vdso(reading.span)
    else:
        yield source


def _why(reading: _Reading, source: Fact | None) -> str:
    if reading.cause is _Cause.CLOCK_SOURCE:
        name = source.subject if source is not None else ""
        if name in _SERVED:
            return f"it could not read this kernel's clock source, {name}, and left it to the kernel"
        return f"this kernel's clock source{f', {name},' if name else ''} can be read by the kernel alone"
    if reading.cause is _Cause.NOT_TOLD:
        return (
            "one is mapped into it, but the program was not told of it (AT_SYSINFO_EHDR): "
            f"{'the preloaded ' + _preload(reading.span) if _preload(reading.span) else 'a wrapper or a sandbox'} "
            "may have taken that away"
        )
    if source is not None and source.data.get("vdso"):
        return "none is mapped into it, though this kernel has one"
    return "this kernel maps none"


def _preload(span: Span) -> str:
    return (span.exec.env or {}).get("LD_PRELOAD", "")


def _fixes(trace: Trace, reading: _Reading, source: Fact | None) -> list[Fix]:
    rarely = Fix("Until then read the time less often: once for each request, or by a goroutine that keeps it.")
    if reading.cause is _Cause.CLOCK_SOURCE:
        return [*_other_clock_source(trace, source), rarely]
    if reading.cause is _Cause.NOT_TOLD:
        return [*_tell_it(trace, reading.span), rarely]
    return [
        Fix("Start the kernel without vdso=0; in a sandbox with a kernel of its own, ask for one that maps a vDSO."),
        rarely,
    ]


def _other_clock_source(trace: Trace, source: Fact | None) -> list[Fix]:
    folder = "/sys/devices/system/clocksource/clocksource0"
    name, available = ("", ()) if source is None else (source.subject, source.data.get("available", ()))
    ways = []
    if name != "tsc" and "tsc" in available:
        text = "Have the kernel use the processor's counter; it takes that back, and logs it, if that is unstable."
        set_it = ("sh", "-c", f"echo tsc > {folder}/current_clocksource")
        ways.append(Fix(text, fixes.privileged(trace, set_it)))
        ways.append(
            Fix("For good: clocksource=tsc on the kernel's command line, with tsc=reliable if it is known to be.")
        )
    else:
        text = "See in the kernel's log, where it speaks of tsc and clocksource, why it uses no better one."
        ways.append(Fix(text, fixes.privileged(trace, ("dmesg",))))
    ways.append(
        Fix("In a virtual machine: another type of instance, or a setting of the hypervisor that offers a stable TSC.")
    )
    return ways


def _tell_it(trace: Trace, span: Span) -> list[Fix]:
    """Start it without what hides the vDSO: of a preloaded library it is known how."""
    if not _preload(span):
        above = span.parent.exec.path.rpartition("/")[2] if span.parent is not None else ""
        by = f" ({above} started it)" if above else ""
        return [Fix(f"Start it without the wrapper, tracer or sandbox that hides the vDSO from it{by}.")]
    here = not trace.header.cwd or span.exec.cwd == trace.header.cwd
    whole = bool(span.argv) and span.exec.argv_bytes is None
    command = ("env", "-u", "LD_PRELOAD", span.exec.path, *span.argv[1:]) if here and whole else None
    return [
        Fix(f"Start it without {_preload(span)}, or with a release of it that leaves AT_SYSINFO_EHDR alone.", command)
    ]
