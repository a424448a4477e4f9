"""Who turned cgo off by CGO_ENABLED=0, and what a build lacks once it is on."""

from __future__ import annotations

from gotrace.events.quoted import split_quoted
from gotrace.rules import fixes, targets, toolchains
from gotrace.rules.finding import Fix
from gotrace.trace.model import Build, Trace


def who_turned_off(trace: Trace, build: Build) -> str | None:
    """Where CGO_ENABLED=0 was said, as the first half of a sentence; None where nobody said it."""
    if toolchains.written(trace, build, "CGO_ENABLED"):
        return f"`go env -w` wrote CGO_ENABLED=0{_into(trace, build)}"
    if build.env.get("CGO_ENABLED") != "0":
        return "CGO_ENABLED=0 is set" if "CGO_ENABLED" in build.target.explicit else None
    if fixes.sets_itself(trace, build, "CGO_ENABLED"):
        setter = trace.header.argv[0] if trace.header.argv else "the program that ran the go command"
        return f"{setter} sets CGO_ENABLED=0"
    if fixes.said_on_command_line(trace, "CGO_ENABLED"):
        return "The command line sets CGO_ENABLED=0"
    return "CGO_ENABLED=0 is set in the environment"


def missing_compiler(trace: Trace, build: Build) -> list[Fix]:
    """The installation of the C compiler that the build would use with cgo, where it is known to be missing."""
    words = split_quoted(build.target.cc or build.env.get("CC") or "") or ["gcc"]
    if toolchains.has(trace, words[0]) is not False:
        return []
    install = fixes.install(trace, targets.packages_of_command(words[0]), f"Install {words[0]} first")
    return [install or Fix(f"Install the C compiler {words[0]} first, or name one that is there in CC.")]


def _into(trace: Trace, build: Build) -> str:
    """ " into FILE" where `go env` named its file."""
    for fact in trace.facts_for("goenv", build.span.process.pid):
        values = fact.data.get("values")
        file = values.get("GOENV") if isinstance(values, dict) else None
        if file:
            return f" into {file}"
    return ""
