"""GT211: a compiler for musl was sent to glibc's headers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

from gotrace.events.facets import Facet
from gotrace.events.tools import Role
from gotrace.rules import evidence, fixes, musl, search_path, steps
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.search_path import Misleading
from gotrace.trace.model import Build, Span, Trace


class GlibcHeadersInMuslBuild(Rule):
    """A compiler for musl was sent to glibc's headers, and failed among them.

    What it detects
    ---------------
    A C compile by a compiler for musl (musl-gcc, a cross compiler, zig with a musl target) failed, its command line
    has -I or -isystem for a folder in which this machine keeps glibc's headers (/usr/include,
    /usr/include/x86_64-linux-gnu), and the compiler complains of a file in there. Paths are not translated.

    Why it happens
    --------------
    musl-gcc searches musl's headers alone, so the headers of a library that is installed for glibc are not found.
    -I/usr/include brings them, and with them stdlib.h, sys/types.h and all others of glibc, before musl's own: types
    that musl does not have, macros that both define.

    How to fix it
    -------------
    Drop the option. Give the compiler the headers of that one library, in a folder of their own, and a library that
    was built for musl; or build in a container that has musl as its C library.

    References
    ----------
    - https://www.musl-libc.org/faq.html
    - https://github.com/linuxboot/heads/issues/939
    """

    code = "GT211"
    name = "glibc-headers-in-musl-build"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.STDERR_TEXT})
    consequence_of = ("wrong-target-compiler",)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each build, however many of its compiles fail."""
        seen: dict[int, Finding] = {}
        for span in steps.broken(trace, Role.CC1, Role.CC):
            build = span.build
            if build is None or _only_drives(span) or not musl.compiles_for(span):
                continue
            for option, folder in search_path.folders(span, build):
                words = _complaint(span, folder) if musl.has_glibc_headers(folder) else None
                if words is None:
                    continue
                if id(build) in seen:
                    seen[id(build)].explains |= steps.driver_keys(span)
                else:
                    misleading = search_path.origin(span, build, option, folder)
                    seen[id(build)] = self._finding(trace, span, build, misleading, words)
                break
        yield from seen.values()

    def _finding(
        self, trace: Trace, span: Span, build: Build, misleading: Misleading, words: evidence.Words
    ) -> Finding:
        package = steps.package(span)
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=f"{misleading.option} ({misleading.origin}) brings glibc's headers into a build with musl, and "
            f"{words.found['path']} does not fit musl's{f' (package {package})' if package else ''}.",
            span=span,
            evidence=evidence.of(steps.driver(span).exec, evidence.quoted(words), span.exit),
            fix=[_drop(trace, build, misleading, span)],
            explains=steps.driver_keys(span),
        )


def _only_drives(span: Span) -> bool:
    """A driver of a cc1, which complains itself."""
    return span.role is Role.CC and any(child.role is Role.CC1 for child in span.descendants())


def _complaint(span: Span, folder: str) -> evidence.Words | None:
    """The first line of the compiler that blames a file of this folder: `/usr/include/stdlib.h:32: ...`."""
    root = re.escape(folder.rstrip("/"))
    return evidence.passed_on(span, re.compile(rf"(?P<path>{root}/(?![\w.]+-linux-musl/)[^\s:,]+):\d+"))


def _drop(trace: Trace, build: Build, misleading: Misleading, span: Span) -> Fix:
    own = "put the headers of the library that needs it into a folder of their own"
    if misleading.variable is None:
        return Fix(f"Drop {misleading.option}, which came {misleading.origin}, and {own}.")
    kept, dropped = misleading.without.split(" "), [misleading.option]
    for option, folder in search_path.folders(span, build):
        left = search_path.without(kept, option)
        if musl.has_glibc_headers(folder) and left != kept:
            kept = left
            dropped.append(option)
    text = f"Drop {' and '.join(dropped)} from {misleading.variable}; {own} (-I/folder), built for musl."
    return fixes.corrected(trace, build, {misleading.variable: " ".join(kept)}, text)
