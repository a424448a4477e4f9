"""GT115: what was asked for needs cgo, and cgo is off."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

from gotrace.events import gocommand
from gotrace.events.facets import Facet
from gotrace.events.model import Event
from gotrace.events.quoted import split_quoted
from gotrace.rules import evidence, fixes, lookups, steps, targets, toolchains
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.trace.model import Build, Trace

_REFUSED = re.compile(r"(?P<what>\S+) requires (?:cgo\b|external \(cgo\) linking)")
"""cmd/go/internal/work/init.go and load/pkg.go. What Go says is the same in every locale."""
_SANITIZERS = ("race", "msan", "asan")
_MODES = frozenset({"c-shared", "plugin", "shared"})
_EXTERNAL = re.compile(r"-linkmode[= ]['\"]?external")


class CgoRequired(Rule):
    """What was asked for needs cgo, and cgo is off.

    What it detects
    ---------------
    A go command that was asked for -race, -msan, -asan, -buildmode=c-shared, plugin or shared, -linkshared, or
    -ldflags '-linkmode external' (on its command line or in GOFLAGS) while CGO_ENABLED was 0, and that refused.

    Why it happens
    --------------
    The sanitizers come with code in C, and these build modes are made by the C linker: both take part in a build
    through the package runtime/cgo alone. cgo is off where CGO_ENABLED=0 says so, and, unless CGO_ENABLED=1 is said,
    in a cross build and where PATH has no C compiler. On macOS -race does without.

    How to fix it
    -------------
    CGO_ENABLED=1, with a C compiler for the target: install gcc, and in a cross build name the right one in CC. Or
    leave the option out: an image without a C compiler cannot test with -race.

    References
    ----------
    - https://go.dev/doc/articles/race_detector#Requirements
    - go help buildmode; go doc cmd/link (-linkmode)
    - https://github.com/golang/go/issues/12122, https://github.com/golang/go/issues/38955
    """

    code = "GT115"
    name = "cgo-required"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.STDERR_TEXT})
    consequence_of = ("compiler-not-found",)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each go command that refused."""
        for build in trace.builds:
            if not steps.broke_the_build(build.span) or build.target.cgo_enabled is True:
                continue
            words = evidence.said(build.span, _REFUSED)
            if words is not None and _asks(trace, build):
                yield self._finding(trace, build, words)

    def _finding(self, trace: Trace, build: Build, words: evidence.Words) -> Finding:
        lookup = _lookup(build)
        calls: list[Event] = evidence.sample(lookup.calls) if lookup is not None else []
        missing = {f"cc:{lookup.name}"} if lookup is not None else set[str]()
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=f"{words.found['what']} needs cgo, and cgo is off: {_why_off(trace, build, lookup)}.",
            span=build.span,
            evidence=evidence.of(build.span.exec, *calls, evidence.quoted(words), build.span.exit),
            fix=_fixes(trace, build, lookup, words.found["what"]),
            confidence=1.0 if build.target.cgo_enabled is False else 0.8,
            explains=frozenset({steps.span_key(build.span), steps.build_key(build)} | missing),
        )


def _asks(trace: Trace, build: Build) -> bool:
    """The go command was asked for something that needs cgo."""
    asked = gocommand.parse(("go", build.subcommand, *_goflags(trace, build), *build.flags))
    if any(asked.has(option) for option in (*_SANITIZERS, "linkshared")) or asked.value("buildmode") in _MODES:
        return True
    return any(name == "ldflags" and _EXTERNAL.search(value or "") for name, value in asked.flags)


def _goflags(trace: Trace, build: Build) -> list[str]:
    """GOFLAGS of the environment, or what `go env -w` wrote."""
    written = next((values.get("GOFLAGS") for values in _goenv(trace, build)), None)
    return split_quoted(build.env.get("GOFLAGS") or str(written or ""))


def _goenv(trace: Trace, build: Build) -> Iterator[dict[str, object]]:
    pid = build.span.process.pid
    for fact in trace.facts_of("goenv"):
        if fact.data.get("pid", pid) == pid and isinstance(fact.data.get("values"), dict):
            yield fact.data["values"]


def _said_off(build: Build) -> bool:
    return build.env.get("CGO_ENABLED") == "0" or "CGO_ENABLED" in build.target.explicit


def _lookup(build: Build) -> lookups.LookUp | None:
    """The search for the C compiler that turned cgo off, where nobody else did."""
    if _said_off(build) or targets.crosses(build):
        return None
    words = split_quoted(build.target.cc or build.env.get("CC") or "")
    return lookups.in_vain(build.span, build, words[0] if words else "gcc")


def _why_off(trace: Trace, build: Build, lookup: lookups.LookUp | None) -> str:
    if toolchains.written(trace, build, "CGO_ENABLED"):
        return "CGO_ENABLED=0 was written by `go env -w`"
    if _said_off(build):
        return "CGO_ENABLED=0 is set"
    if targets.crosses(build):
        return f"so it is by default in a build for {targets.target(build)} on {targets.host(build)}"
    if lookup is not None:
        return f"so it is by default where the C compiler {lookup.name} is not in PATH"
    return "CGO_ENABLED is not 1"


def _fixes(trace: Trace, build: Build, lookup: lookups.LookUp | None, what: str) -> list[Fix]:
    without = Fix(f"Or do without {what}, where the program is meant to be built without C.")
    if targets.crosses(build):
        return [*fixes.use_compiler(trace, build), without]
    turn_on = fixes.corrected(trace, build, {"CGO_ENABLED": "1"}, "Turn cgo on.")
    back = [fixes.forget("CGO_ENABLED")] if toolchains.written(trace, build, "CGO_ENABLED") else []
    return [*_compiler(trace, build, lookup), turn_on, *back, without]


def _compiler(trace: Trace, build: Build, lookup: lookups.LookUp | None) -> list[Fix]:
    """The C compiler first, where it is known to be missing."""
    words = split_quoted(build.target.cc or build.env.get("CC") or "") or ["gcc"]
    name = lookup.name if lookup is not None else words[0]
    if lookup is None and toolchains.has(trace, name) is not False:
        return []
    install = fixes.install(trace, targets.packages_of_command(name), f"Install {name} first")
    return [install or Fix(f"Install the C compiler {name} first, or name one that is there in CC.")]
