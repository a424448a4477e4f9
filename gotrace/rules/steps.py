"""Which failures matter: a failing call or tool counts only where the step it belongs to failed."""

from __future__ import annotations

from collections.abc import Iterator

from gotrace.events.tools import Role
from gotrace.trace.model import Build, Span, Trace

DRIVER_PARTS = frozenset({Role.CC, Role.CC1, Role.AS, Role.COLLECT2, Role.LD})
"""A compiler driver and what it runs."""
_SHELLS = frozenset({"sh", "bash", "dash", "ash", "busybox", "ksh", "zsh"})


def broke_the_build(span: Span) -> bool:
    """This run failed, and so did every tool above it up to the go command (or, without one, up to the command).

    A run that only asks may fail, and a tool may live with the failure of what it started: cgo compiles things that
    must not compile, configure scripts try what is there. Then a tool above ended with status 0. A tool whose end was
    not seen (lost, or it became another image) says neither.
    """
    if not span.failed or span.probe:
        return False
    top = span.build.span if span.build is not None else None
    for above in span.ancestors():
        if above.exit is not None and not above.failed:
            return False
        if above is top:
            break
        if top is not None and above.role is Role.TEST_BINARY:
            return False  # what a test runs is no step of the build that made the test
    return top is not None or not _a_go_command_failed_beside(span)


def _a_go_command_failed_beside(span: Span) -> bool:
    """A run outside of any go command, of which one failed in the same command: that one is what broke it.

    Makefiles and scripts try compilers before they build, and go on whatever comes of it.
    """
    top = span
    for above in span.ancestors():
        top = above
    return Role.GO in top.failed_below()


def went_on(build: Build) -> bool:
    """Whether the shell that ran this go command went on to another one, and that failed too.

    Then this failure was not the end of the script. Only shells: what `make -k` goes on with is something else.
    """
    process = build.span.process
    if process.parent is None or process.end_ns is None or not any(map(_is_shell, process.parent.spans)):
        return False
    later = (span for child in process.parent.children for span in child.spans if span.start_ns >= process.end_ns)
    return any(span.role is Role.GO and span.failed and not span.probe for span in later)


def _is_shell(span: Span) -> bool:
    return span.exec.path.rpartition("/")[2] in _SHELLS


def broken(trace: Trace, *roles: Role) -> Iterator[Span]:
    """The runs of these roles that broke a build, in order."""
    return (span for span in trace.spans if span.role in roles and broke_the_build(span))


def driver(span: Span) -> Span:
    """The compiler driver at the top of a run of cc1, as, collect2 or ld: what the Go tool started."""
    top = span
    for above in span.ancestors():
        if above.role not in DRIVER_PARTS:
            break
        top = above
    return top


def package(span: Span) -> str | None:
    """The Go package whose step this run belongs to, said by itself or by the tools above it."""
    return span.package or next((above.package for above in span.ancestors() if above.package), None)


def span_key(span: Span) -> str:
    """What a finding that accounts for this run's failure has among its `explains`."""
    return f"span:{span.process.pid}:{span.start_ns}"


def build_key(build: Build) -> str:
    """What a finding that accounts for a whole build's result has among its `explains`."""
    return f"build:{build.span.process.pid}:{build.span.start_ns}"


def driver_keys(span: Span) -> frozenset[str]:
    """Keys of a compiler driver's run and of the parts it ran that failed."""
    top = driver(span)
    return frozenset(span_key(part) for part in (top, *top.descendants()) if part.failed) | {span_key(span)}
