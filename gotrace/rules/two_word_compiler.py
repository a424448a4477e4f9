"""GT119: a CC of two words makes Go's linker miss -no-pie."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import ClassVar

from gotrace.events.facets import Facet
from gotrace.events.tools import Role
from gotrace.rules import evidence, fixes, goline, steps
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.trace.model import Build, Span, Trace

_NO_PIE = frozenset({"-no-pie", "-nopie"})
"""gcc's name of the option, and the one of old clangs."""
_CCACHE_LINKS = "/usr/lib/ccache"
"""Where Debian's package ccache has a link for each compiler (its README.Debian)."""


class TwoWordCompiler(Rule):
    """A CC of two words makes Go's linker miss -no-pie.

    What it detects
    ---------------
    A program was linked as a position-independent executable although its Go code is not position-independent: Go's
    linker asked the first word of CC alone whether it knows -no-pie (`ccache ... -no-pie trivial.c`), that failed,
    and the link itself, with all words of CC, passed -pie to ld.

    Why it happens
    --------------
    CC may be several words, and Go's linker uses all of them, but for its questions: those go to the first one. A
    launcher such as ccache does not know the compiler's options, so each answer is no. The loader then has to write
    into the program's code (DT_TEXTREL), which costs time at each start and is forbidden on some systems (SELinux).

    How to fix it
    -------------
    Name one word in CC: a link to ccache that is called like the compiler (/usr/lib/ccache/gcc). Or tell the linker
    what it did not find out: -ldflags=-extldflags=-no-pie.

    References
    ----------
    - https://github.com/golang/go/blob/master/src/cmd/link/internal/ld/lib.go (linkerFlagSupported)
    - https://go.dev/issue/17847
    - https://ccache.dev/manual/latest.html#_run_modes
    """

    code = "GT119"
    name = "two-word-compiler"
    severity = Severity.WARNING
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each build, however many programs it links."""
        for build in trace.builds:
            for link in build.spans if not build.failed else ():
                asked = _asked_in_vain(link)
                linker = _linked_as_pie(link) if asked is not None else None
                if asked is not None and linker is not None:
                    yield self._finding(trace, build, asked, linker)
                    break

    def _finding(self, trace: Trace, build: Build, asked: Span, linker: Span) -> Finding:
        driver = _top(linker)
        first = asked.argv[0]
        cc = " ".join((first, *_words_behind(driver)))
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=f"CC={cc}: Go's linker asked {posixpath.basename(first)} alone whether it knows -no-pie, so the "
            "program became a position-independent executable whose code has to be changed when it starts "
            "(DT_TEXTREL).",
            span=asked.parent,
            evidence=evidence.of(asked.exec, asked.exit, driver.exec, linker.exec),
            fix=_fixes(trace, build, asked, driver),
            explains=frozenset({steps.build_key(build)}),
        )


def _asked_in_vain(link: Span) -> Span | None:
    """The question for -no-pie that failed, where none succeeded and the linker is no failure itself."""
    if link.role is not Role.LINK or link.failed or link.probe:
        return None
    asked = [span for span in link.children if _NO_PIE.intersection(span.argv) and _asks(span)]
    in_vain = [span for span in asked if span.failed]
    return in_vain[0] if in_vain and len(in_vain) == len(asked) else None


def _asks(span: Span) -> bool:
    return span.argv[-1].endswith("/trivial.c")


def _linked_as_pie(link: Span) -> Span | None:
    """The ld of the link itself that was told -pie, where its driver has another word in front of the compiler."""
    for span in link.descendants():
        made = span.role is Role.LD and not span.failed and not span.probe
        if made and "-pie" in span.argv and _words_behind(_top(span)):
            return span
    return None


def _top(linker: Span) -> Span:
    """What Go's linker started: the launcher or the compiler."""
    top = linker
    for above in linker.ancestors():
        if above.role is Role.LINK:
            break
        top = above
    return top


def _words_behind(driver: Span) -> tuple[str, ...]:
    """The words of CC behind the first, up to the options."""
    words = []
    for word in driver.argv[1:]:
        if word.startswith("-"):
            break
        words.append(word)
    return tuple(words)


def _fixes(trace: Trace, build: Build, asked: Span, driver: Span) -> list[Fix]:
    found = []
    behind = _words_behind(driver)
    is_ccache = posixpath.basename(asked.argv[0]) == "ccache" and len(behind) == 1 and "/" not in behind[0]
    if is_ccache and fixes.has_apt(trace) and asked.exec.path == "/usr/bin/ccache":
        settings = {"CC": f"{_CCACHE_LINKS}/{behind[0]}"}
        text = f"Name ccache's own link to {behind[0]} in CC, which is one word."
        found.append(fixes.corrected(trace, build, settings, text))
    else:
        first = posixpath.basename(asked.argv[0])
        found.append(Fix(f"Name one word in CC: a script or a link that runs {first} {' '.join(behind)}."))
    flags = " ".join(build.flags) + (build.env.get("GOFLAGS") or "")
    if "extldflags" not in flags:
        line = goline.with_flag(trace, build, "ldflags", "-extldflags=-no-pie")
        found.append(Fix("Or tell the linker what it did not find out: -ldflags=-extldflags=-no-pie.", line))
    return found
