"""GT214: Go's own linker linked a program with C in it, and did not find the C functions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

from gotrace.events.facets import Facet
from gotrace.events.quoted import split_quoted
from gotrace.events.tools import Role
from gotrace.rules import evidence, fixes, goline, steps
from gotrace.rules.base import Rule
from gotrace.rules.evidence import Words
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.listing import listed
from gotrace.trace.model import Build, Span, Trace

_NOT_DEFINED = re.compile(
    r"^(?P<package>[^\s:(]+)(?:\([^)\s]*\))?: relocation target (?P<name>[A-Za-z_]\w*) not defined"
)
"""cmd/link/internal/ld/errors.go, the same in every locale. A name with a dot is one of Go, and no matter of C."""
_TRIAL = "/_cgo_.o"
_OF_GO = frozenset({"net", "os/user", "runtime/cgo"})
"""The packages of the standard library that can do without cgo; runtime/cgo comes with each of the others."""
_NEED_CGO = frozenset({"-race", "-msan", "-asan", "-buildmode=c-shared", "-buildmode=plugin", "-buildmode=c-archive"})


class InternalLinkerMeetsC(Rule):
    """Go's own linker linked a program with C in it, and did not find the C functions.

    What it detects
    ---------------
    Go's linker failed without having run a C compiler, and misses functions of C. Why it misses them is taken from
    what was run: -static in the trial link of a package (the one that makes _cgo_.o) or in CGO_LDFLAGS, or
    -linkmode=internal. Which functions they are is in the linker's message alone, the same in every language.

    Why it happens
    --------------
    Go links by itself where only the standard library (net, os/user) uses cgo, or where -linkmode=internal says so.
    The C functions then come from shared libraries, and go learns from a trial link which ones. A trial with -static,
    or by a compiler that links statically by default (zig with a musl target), has no shared libraries to learn from.

    How to fix it
    -------------
    For a static program that needs no C of its own: CGO_ENABLED=0, or -tags netgo,osusergo. Else have the C compiler
    link, by -ldflags=-linkmode=external.

    References
    ----------
    - https://pkg.go.dev/cmd/cgo#hdr-Implementation_details
    - https://go.dev/issue/44695, https://go.dev/issue/52690
    - go doc cmd/link (-linkmode)
    """

    code = "GT214"
    name = "internal-linker-meets-c"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.STDERR_TEXT})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each link."""
        for link in steps.broken(trace, Role.LINK):
            if link.build is None or any(_links(span) for span in link.descendants()):
                continue
            missed: dict[str, Words] = {}
            for words in evidence.all_said([link], _NOT_DEFINED):
                missed.setdefault(words.found["name"], words)
            if missed:
                yield self._finding(trace, link, link.build, missed)

    def _finding(self, trace: Trace, link: Span, build: Build, missed: dict[str, Words]) -> Finding:
        packages = dict.fromkeys(words.found["package"] for words in missed.values())
        trial = _static_trial(build)
        why = _why(link, build, trial)
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=f"Go's own linker does not find {listed(list(missed))}, C functions that "
            f"{listed(list(packages))} use{'s' if len(packages) == 1 else ''}{f': {why}' if why else ''}.",
            span=link,
            evidence=evidence.of(
                trial.exec if trial is not None else None,
                link.exec,
                evidence.quoted(next(iter(missed.values()))),
                link.exit,
            ),
            fix=_fixes(trace, link, build, set(packages)),
            confidence=1.0 if why else 0.8,
            explains=frozenset({steps.span_key(link), steps.build_key(build)}),
        )


def _links(span: Span) -> bool:
    """A C compiler that linked, and did not only answer a question."""
    return span.role is Role.CC and not span.probe


def _static_trial(build: Build) -> Span | None:
    runs = (span for span in build.spans if span.role is Role.CC and "-static" in span.argv)
    return next((span for span in runs if any(word.endswith(_TRIAL) for word in span.argv)), None)


def _why(link: Span, build: Build, trial: Span | None) -> str:
    """The reason, as far as it can be seen: a package from the build cache had its trial in an earlier build."""
    where = "CGO_LDFLAGS" if "-static" in split_quoted(build.env.get("CGO_LDFLAGS") or "") else ""
    if trial is not None or where:
        said = f"-static{f' in {where}' if where else ''}"
        return f"{said} leaves no shared library to take them from, and only the C compiler could link them in"
    if "-linkmode=internal" in link.argv:
        return "-linkmode=internal keeps the C compiler from linking"
    return ""


def _fixes(trace: Trace, link: Span, build: Build, packages: set[str]) -> list[Fix]:
    found = []
    if packages <= _OF_GO and _NEED_CGO.isdisjoint(link.argv):
        settings = {"CGO_ENABLED": "0"}
        text = "Build without cgo, which this program does not need: then it is static anyhow."
        found.append(fixes.corrected(trace, build, settings, text))
    text = "Have the C compiler link: -ldflags=-linkmode=external"
    if any(word.startswith("-linkmode=") for word in link.argv):
        return [*found, Fix(f"{text} instead of {next(w for w in link.argv if w.startswith('-linkmode='))}.")]
    line = goline.with_flag(trace, build, "ldflags", "-linkmode=external")
    return [*found, Fix(f"{'Or have' if found else 'Have'}{text.removeprefix('Have')}.", line)]
