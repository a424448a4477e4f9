"""GT205: a static program that asks glibc for names, which glibc does by shared libraries."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import ClassVar

from gotrace.events.facets import Facet
from gotrace.events.tools import Role
from gotrace.rules import evidence, fixes, goline, steps, targets
from gotrace.rules.base import Rule
from gotrace.rules.evidence import Words
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.trace.model import Build, Span, Trace

_WARNING = re.compile(r"Using '(?P<function>\w+)' in statically linked applications")
"""glibc's own words, from the section .gnu.warning of libc.a: no language changes them."""
_PLACE = re.compile(r"^(?P<file>[^\s:(]+\.\w+):\d+: ")
"""Where the call stands; not told for objects without debug information."""
_OF_GO = re.compile(
    r"/GOROOT/src/|(?:^|/)(?:net|os/user)/(?:cgo_\w+|getgrouplist_unix)\.go$|/cgo_unix_cgo\w*\.cgo2\.c$"
)
"""Files of the C parts of Go's net and os/user."""
_NAMED = 3
_USUAL = "getaddrinfo"
"""Named first: a program that misses hosts fails sooner than one that misses users."""


class StaticGlibcNeedsNss(Rule):
    """A program was linked statically with glibc, and it looks up hosts or users by glibc.

    What it detects
    ---------------
    A link that succeeded was told -static, and the linker passed on glibc's own warning: `Using 'getaddrinfo' in
    statically linked applications requires at runtime the shared libraries from the glibc version used for linking`.
    That glibc was linked in, and which function of it, only these words tell; they are part of libc.a and the same in
    all languages.

    Why it happens
    --------------
    glibc looks names up as /etc/nsswitch.conf says, by libraries (libnss_*.so) that it loads at run time, also in a
    static program. In an image without them look-ups fail (`Temporary failure in name resolution`) or find less, and
    with those of another glibc the program may crash. The same holds for dlopen and iconv.

    How to fix it
    -------------
    Have Go look the names up: `-tags netgo,osusergo`, or CGO_ENABLED=0 where nothing needs C. If C code of the program
    calls these functions, link with musl (CC=musl-gcc), which has no such libraries, or link dynamically.

    References
    ----------
    - https://sourceware.org/glibc/wiki/FAQ (even statically linked programs need some shared libraries)
    - go doc net (Name Resolution), go doc os/user
    - https://go.dev/issue/13470, https://go.dev/issue/30310, https://go.dev/issue/21421
    """

    code = "GT205"
    name = "static-glibc-needs-nss"
    severity = Severity.WARNING
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.STDERR_TEXT})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each program."""
        for span in trace.spans:
            build = span.build
            if span.role is not Role.LD or span.probe or span.failed or build is None or build.failed:
                continue
            if "-static" not in span.argv or not any(above.role is Role.LINK for above in span.ancestors()):
                continue
            warnings = list(evidence.all_said([span], _WARNING))
            if warnings:
                yield self._finding(trace, build, span, warnings)

    def _finding(self, trace: Trace, build: Build, span: Span, warnings: Sequence[Words]) -> Finding:
        functions = sorted({words.found["function"] for words in warnings}, key=lambda name: (name != _USUAL, name))
        named = functions[:_NAMED] + ([f"{len(functions) - _NAMED} more"] if len(functions) > _NAMED else [])
        listed = " and ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)
        package = steps.package(span)
        program = f"The program {package}" if package else "This program"
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=(
                f"{program} is static, but glibc's {listed} in it {'load' if len(functions) > 1 else 'loads'} shared "
                "libraries at run time, which must be there, and of the glibc that it was built with."
            ),
            span=span,
            evidence=evidence.of(span.exec, *(evidence.quoted(words) for words in _told(warnings)), span.exit),
            fix=_fixes(trace, build, warnings),
            confidence=0.9,
            explains=frozenset({steps.span_key(span)}),
        )


def _told(warnings: Sequence[Words]) -> Sequence[Words]:
    by_function = {words.found["function"]: words for words in warnings}
    return sorted(by_function.values(), key=lambda words: words.found["function"] != _USUAL)[:_NAMED]


def _fixes(trace: Trace, build: Build, warnings: Sequence[Words]) -> list[Fix]:
    own = list(dict.fromkeys(words.found["function"] for words in warnings if _is_of_the_program(words)))
    if own:
        return [_with_musl(trace, build, own), Fix("Or link dynamically, without -static in the linker's flags.")]
    tags = goline.with_flag(trace, build, "tags", "netgo,osusergo", joined_by=",")
    text = "Have Go look up hosts and users by itself, with the tags netgo and osusergo."
    return [Fix(text, tags), Fix("Or, where nothing in the program needs C, build with CGO_ENABLED=0.")]


def _is_of_the_program(words: Words) -> bool:
    place = _PLACE.search(words.line)
    return place is not None and _OF_GO.search(place["file"]) is None


def _with_musl(trace: Trace, build: Build, functions: Sequence[str]) -> Fix:
    names = " and ".join(functions[:_NAMED])
    text = f"C code of the program calls {names}: link it with musl, which loads no libraries for that"
    target, here = targets.target(build), targets.host(build)
    if target != here or fixes.uses_cxx(build):
        return Fix(f"{text}.")
    package = targets.packages_of_command("musl-gcc")
    where = f" (package {package[0]}{fixes.according_to(trace)})" if package and fixes.has_apt(trace) else ""
    return fixes.corrected(trace, build, {"CC": "musl-gcc"}, f"{text}: CC=musl-gcc{where}.")
