"""GT204: -static for the external linker, which never ran."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from gotrace.events.facets import Facet
from gotrace.events.linkflags import asks_for_static, external_flags
from gotrace.events.model import Fact
from gotrace.events.tools import Role
from gotrace.rules import evidence, fixes, goline, steps
from gotrace.rules.base import Rule, UndecidedError
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.trace.model import Build, Span, Trace

_NEED_CGO = frozenset({"-race", "-msan", "-asan", "-linkmode=internal"})
"""Options of the linker with which cgo cannot be left out, or may not: it was told to link C by itself."""


class StaticFlagIgnored(Rule):
    """A static program was asked for by -extldflags, and Go's own linker made a dynamic one without a word.

    What it detects
    ---------------
    A link that succeeded was given -static in -extldflags, it ran no C compiler, and the program that it wrote names
    a loader and shared libraries. A program that is static anyhow, because nothing in it uses cgo, is no finding.

    Why it happens
    --------------
    -extldflags is for the external linker (gcc). Where the only cgo in a program is that of the standard library
    (net, os/user, runtime/cgo), Go links by itself, and nobody reads the flag. Such a program still takes its
    resolver from the C library: it needs libc.so.6, and the loader in the place where glibc has it.

    How to fix it
    -------------
    Build with CGO_ENABLED=0: nothing in such a program needs C. With cgo on, `-tags netgo,osusergo` chooses Go's own
    resolver and user database, which does the same; `-linkmode external` makes gcc link, and -static count, with
    glibc's drawbacks (see static-glibc-needs-nss).

    References
    ----------
    - go doc cmd/link (-extldflags, -linkmode)
    - https://pkg.go.dev/cmd/cgo#hdr-Implementation_details
    - https://go.dev/issue/21421, https://go.dev/issue/30310
    """

    code = "GT204"
    name = "static-flag-ignored"
    severity = Severity.WARNING
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.FROM_START, Facet.PROBED})
    infers_from_absence: ClassVar[frozenset[str]] = frozenset({"exec"})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each program that is dynamic."""
        unknown = None
        for span in trace.spans:
            build = span.build
            if build is None or not _linked_internally(span):
                continue
            fact = _program(trace, build, span)
            if fact is None:
                unknown = span
            elif fact.data.get("interpreter"):
                yield self._finding(trace, build, span, fact)
        if unknown is not None:
            where = unknown.package or "a program"
            raise UndecidedError(
                f"whether {where} became static could not be seen: the linked file was not looked into"
            )

    def _finding(self, trace: Trace, build: Build, span: Span, fact: Fact) -> Finding:
        needed = " and ".join(fact.data.get("needed") or ()) or "shared libraries"
        flags = " ".join(word for word in external_flags(span.argv) if "static" in word)
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=(
                f"{fact.subject} is dynamic (it needs {needed} and the loader {fact.data['interpreter']}): {flags} in "
                "-extldflags is for the external linker, and Go linked this program by itself."
            ),
            span=span,
            evidence=evidence.of(span.exec, fact, span.exit),
            fix=_fixes(trace, build, span),
            explains=frozenset({steps.build_key(build)}),
        )


def _linked_internally(span: Span) -> bool:
    """A link for linux that asked for -static and ran no C compiler. Without cgo the result is static anyhow."""
    if span.role is not Role.LINK or span.probe or span.failed or span.exit is None or span.build is None:
        return False
    target = span.build.target
    if span.build.failed or target.cgo_enabled is False or target.goos not in ("linux", None):
        return False
    return asks_for_static(span.argv) and not any(below.role is Role.CC for below in span.descendants())


def _program(trace: Trace, build: Build, span: Span) -> Fact | None:
    pids = (build.span.process.pid, span.process.pid)
    return next((f for f in trace.facts_of("program") if (f.data.get("pid"), f.data.get("link")) == pids), None)


def _fixes(trace: Trace, build: Build, span: Span) -> list[Fix]:
    tags = goline.with_flag(trace, build, "tags", "netgo,osusergo", joined_by=",")
    own_go = Fix("Or, with cgo on, take Go's own resolver and user database: -tags netgo,osusergo.", tags)
    external = Fix(
        "Or have gcc link it: -linkmode external in -ldflags. Such a program still needs glibc's files for names."
    )
    if not _NEED_CGO.isdisjoint(span.argv):
        return [external]
    text = "Build without cgo, which this program does not need: then it is static."
    return [fixes.corrected(trace, build, {"CGO_ENABLED": "0"}, text), own_go, external]
