"""GT212: a program for musl was linked with glibc's libraries."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from gotrace.events.facets import Facet
from gotrace.events.model import Fact
from gotrace.events.quoted import split_quoted
from gotrace.events.tools import Role
from gotrace.rules import evidence, fixes, musl, search_path, steps
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.trace.model import Build, Span, Trace

_GLIBC = re.compile(r"libc\.so\.6|ld-linux[\w.-]*\.so\.\d+|libm\.so\.6")
_MUSL_LOADER = re.compile(r"/ld-musl-[\w.-]+$")


class GlibcLibrariesInMuslBuild(Rule):
    """A program for musl was linked with glibc's libraries, and the build succeeded.

    What it detects
    ---------------
    A go command succeeded and wrote a program whose loader is musl's (PT_INTERP names ld-musl) and that needs glibc
    (DT_NEEDED has libc.so.6). The file itself says both; the linker's command line says which -L brought glibc.

    Why it happens
    --------------
    musl-gcc looks for libraries among musl's alone, so a library that is installed for glibc is not found.
    -L/usr/lib/x86_64-linux-gnu brings it, and glibc with it, because that folder is searched before musl's own. The
    linker does not know one C library from another. The program does not start on a musl system, which has no
    libc.so.6; where it has one, two C libraries are in one process.

    How to fix it
    -------------
    Drop the -L, and link libraries that were built for musl, from a folder that has no C library. Or build in a
    container that has musl as its C library. What a program needs is told by `readelf -dl PROGRAM`.

    References
    ----------
    - https://www.musl-libc.org/faq.html
    - https://sourceware.org/binutils/docs/ld/Options.html (-L)
    """

    code = "GT212"
    name = "glibc-libraries-in-musl-build"
    severity = Severity.WARNING
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.PROBED})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each program that mixes both."""
        for fact in trace.facts_of("program"):
            glibc = [name for name in _texts(fact.data.get("needed")) if _GLIBC.fullmatch(name)]
            build = next((b for b in trace.builds if b.span.process.pid == fact.data.get("pid")), None)
            if build is not None and not build.failed and glibc and _MUSL_LOADER.search(_loader(fact)):
                yield self._finding(trace, build, fact, glibc)

    def _finding(self, trace: Trace, build: Build, fact: Fact, glibc: list[str]) -> Finding:
        linker = _linker(build)
        option = _option(linker) if linker is not None else None
        brought = f": {option} brings it" if option is not None else ""
        others = f" ({', '.join(glibc)})" if glibc != ["libc.so.6"] else " (libc.so.6)"
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=f"{fact.subject} is a program for musl ({_loader(fact)}) that needs glibc{others}{brought}.",
            span=linker or build.span,
            evidence=evidence.of(steps.driver(linker).exec if linker is not None else build.span.exec, fact),
            fix=[_drop(trace, build, option)],
            explains=frozenset({steps.build_key(build)}),
        )


def _texts(values: Any) -> list[str]:
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []


def _loader(fact: Fact) -> str:
    return str(fact.data.get("interpreter") or "")


def _linker(build: Build) -> Span | None:
    """The last run of the external linker that had musl's loader."""
    found = (s for s in build.spans if s.role in (Role.LD, Role.COLLECT2, Role.CC) and not s.probe and not s.failed)
    return next((s for s in reversed([*found]) if musl.named_in(s.argv) and _option(s) is not None), None)


def _option(linker: Span) -> str | None:
    """The -L that leads into glibc's folder, as it stands on the command line."""
    return next((option for option, folder in _folders(linker.argv) if musl.has_glibc_libraries(folder)), None)


def _folders(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    for word, following in zip(words, (*words[1:], ""), strict=False):
        if word == "-L" and following:
            yield f"-L {following}", following
        elif word.startswith("-L") and len(word) > len("-L"):
            yield word, word.removeprefix("-L")


def _drop(trace: Trace, build: Build, option: str | None) -> Fix:
    instead = "and link libraries that were built for musl, from a folder without a C library"
    words = split_quoted(build.env.get("CGO_LDFLAGS", ""))
    kept = search_path.without(words, option) if option is not None else words
    if option is None or kept == words:
        return Fix(
            f"Drop {option or 'what brings glibc into the link'} (a #cgo LDFLAGS line, or -extldflags), {instead}."
        )
    text = f"Drop {option} from CGO_LDFLAGS, {instead}."
    return fixes.corrected(trace, build, {"CGO_LDFLAGS": " ".join(kept)}, text)
