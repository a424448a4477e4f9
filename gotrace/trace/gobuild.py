"""The go commands that build, what each was asked for, and the runs below it. `gosettings` tells its target."""

from __future__ import annotations

from gotrace.events import gocommand
from gotrace.events.gocommand import GoCommand
from gotrace.events.tools import Role
from gotrace.trace import buildcache
from gotrace.trace.argv import work_folder
from gotrace.trace.gosettings import Settings
from gotrace.trace.model import Build, BuildTarget, Span, Trace

_LIST_BUILDS = ("export", "compiled", "test")
"""Flags with which `go list` compiles or at least runs cgo."""


def find_builds(trace: Trace) -> None:
    """Set `builds`, and `build` of every span at and below a go command that builds."""
    for span in trace.spans:
        above = span.parent.build if span.parent is not None else None
        span.build = above
        if span.role is Role.GO:
            if above is not None and _goes_on(span, above):
                above.span = span  # this image has the exit status
            else:
                span.build = _new_build(span) or above
                if span.build is not None and span.build.span is span:
                    trace.builds.append(span.build)
        if span.build is not None:
            span.build.spans.append(span)
    settings = Settings(trace)
    private = buildcache.private_folder(trace)
    for build in trace.builds:
        build.env = {name: value for name, value in build.env.items() if (name, value) != ("GOCACHE", private)}
        build.target = settings.target_of(build)


def _goes_on(span: Span, build: Build) -> bool:
    """A go command that became another toolchain (GOTOOLCHAIN; cmd/go/internal/toolchain, Exec) is the same build."""
    return span.parent is build.span and span.parent.process is span.process


def _new_build(span: Span) -> Build | None:
    command = gocommand.parse(span.argv)
    if not _builds(span, command):
        return None
    return Build(
        span=span,
        subcommand=command.subcommand,
        flags=command.words,
        patterns=command.patterns,
        target=BuildTarget(),
        env=span.exec.env or {},
    )


def _builds(span: Span, command: GoCommand) -> bool:
    if command.subcommand in gocommand.BUILDING:
        return True
    if command.subcommand == "list" and any(command.has(flag) for flag in _LIST_BUILDS):
        return True
    # `go tool NAME` builds NAME where that is a tool of the module; what it compiles lies in a work folder.
    return any(child.role is Role.COMPILE and work_folder(child.argv) is not None for child in span.children)
