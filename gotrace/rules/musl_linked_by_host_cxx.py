"""GT213: CC is for musl, and the C++ compiler that links is not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from gotrace.events.facets import Facet
from gotrace.events.tools import Role
from gotrace.rules import evidence, fixes, musl, steps
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.trace.model import Build, Span, Trace

_LINKER_OPTION = "-extld="


class MuslLinkedByHostCxx(Rule):
    """CC is for musl, and the C++ compiler that links is not: the program is one for glibc.

    What it detects
    ---------------
    A go command succeeded, CC names a compiler for musl, and Go's linker was told to link with another one
    (-extld=g++), whose linker ran with nothing of musl on its command line: no loader, no folder of it.

    Why it happens
    --------------
    A package with C++ files has to be linked by the C++ compiler, and CXX is a choice of its own: it stays g++ where
    only CC was set. The C parts are compiled against musl's headers, the C++ parts against glibc's, and the whole is
    linked with glibc. It builds without a word, and it even runs, on the machine that built it.

    How to fix it
    -------------
    Set CXX too, to a C++ compiler for musl (that of a musl cross toolchain, or zig c++ -target x86_64-linux-musl):
    musl-gcc has no C++ sibling. Or, where the program may need glibc, leave CC alone.

    References
    ----------
    - go doc cmd/cgo (CXX)
    - go doc cmd/link (-extld)
    - https://www.musl-libc.org/faq.html
    """

    code = "GT213"
    name = "musl-linked-by-host-cxx"
    severity = Severity.WARNING
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS})
    infers_from_absence: ClassVar[frozenset[str]] = frozenset({"exec"})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each build, however many programs it links."""
        for build in trace.builds:
            cc = musl.chosen(build)
            if cc is None or build.failed:
                continue
            for link in build.spans:
                linker = _foreign_linker(link)
                if linker is not None:
                    yield self._finding(trace, build, link, linker, cc)
                    break

    def _finding(self, trace: Trace, build: Build, link: Span, linker: Span, cc: str) -> Finding:
        cxx = _extld(link)
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=f"CC={cc} is for musl, but {cxx} linked the program, with glibc: a package has C++ files, and CXX "
            f"is {'still ' if 'CXX' not in build.target.explicit else ''}{cxx}.",
            span=link,
            evidence=evidence.of(link.exec, steps.driver(linker).exec, linker.exec),
            fix=_fixes(trace, build),
            explains=frozenset({steps.build_key(build)}),
        )


def _extld(link: Span) -> str:
    words = (word for word in link.argv if word.startswith(_LINKER_OPTION))
    return next(words, "").removeprefix(_LINKER_OPTION)


def _foreign_linker(link: Span) -> Span | None:
    """The ld below a Go link, where the program that ran it was not told to be for musl, and ld neither."""
    if link.role is not Role.LINK or link.failed or not _extld(link) or musl.named_in(_extld(link).split()):
        return None
    below = [span for span in link.descendants() if span.role is Role.LD and not span.failed]
    used = [span for span in below if span.argv and not steps.driver(span).probe]
    # A launcher or a wrapper may add what makes it one for musl: what ld was given decides.
    return used[-1] if used and not any(musl.compiles_for(span) for span in used) else None


def _fixes(trace: Trace, build: Build) -> list[Fix]:
    own = fixes.corrected(trace, build, {"CC": "gcc"}, "Or, where it may be a program for glibc, leave CC to gcc.")
    return [
        Fix(
            "Name a C++ compiler for musl in CXX beside CC: that of a musl cross toolchain, or zig c++ with -target; "
            "musl-gcc alone has none."
        ),
        own,
    ]
