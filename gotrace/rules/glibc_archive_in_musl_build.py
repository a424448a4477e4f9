"""GT218: an archive that was compiled for glibc is linked into a program for musl."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import ClassVar

from gotrace.events.facets import Facet
from gotrace.events.quoted import split_quoted
from gotrace.rules import evidence, fixes, linking, musl, steps
from gotrace.rules.base import Rule
from gotrace.rules.evidence import Words
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.large_file_names_dropped import NAMES
from gotrace.rules.linking import Archive
from gotrace.trace.model import Build, Span, Trace

_OF_GLIBC = re.compile(
    r"__\w+_chk|__isoc23_\w+|__strdup|__strndup|__libc_single_threaded|__rawmemchr|__register_atfork|__fdelt_warn"
    r"|gnu_get_libc_\w+|(?:get|set|make|swap)context|backtrace(?:_symbols(?:_fd)?)?|error|mallinfo2?"
)
"""Names that glibc's headers and code use and musl does not have, beside those with 64 at their end."""
_OF_MODULES = re.compile(r"/pkg/mod/|/vendor/")


class GlibcArchiveInMuslBuild(Rule):
    """An archive that was compiled for glibc is linked into a program for musl.

    What it detects
    ---------------
    A link for musl failed, and what is undefined are names that only glibc has: __printf_chk, __strdup, fopen64,
    getcontext. The archive that needs them was read when the link had ended.

    Why it happens
    --------------
    What a compiler makes is for the C library of its headers: with -D_FORTIFY_SOURCE glibc's turn printf into
    __printf_chk, and with -D_FILE_OFFSET_BITS=64 fopen into fopen64. musl has neither name. Go modules that ship
    archives for Linux mostly have built them for glibc; some have others for musl, behind a build tag.

    How to fix it
    -------------
    Take an archive that was built for musl: with the module's tag for that (`-tags musl`), or by building it with the
    same compiler as the program. Or build for glibc.

    References
    ----------
    - https://wiki.musl-libc.org/functional-differences-from-glibc.html
    - https://github.com/confluentinc/confluent-kafka-go/issues/454, https://github.com/marcboeker/go-duckdb/issues/256
    """

    code = "GT218"
    name = "glibc-archive-in-musl-build"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.STDERR_TEXT})
    consequence_of = ("wrong-target-compiler", "missing-library", "link-order")

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each archive."""
        for linker in linking.failed_links(trace):
            if not musl.compiles_for(linker):
                continue
            lacked = {
                n: w for n, w in linking.undefined(linker).items() if _OF_GLIBC.fullmatch(n) or NAMES.fullmatch(n)
            }
            for archive in linking.archives(trace, linker):
                names = [name for name in lacked if name in archive.needs]
                if names and not linking.is_of_the_link(archive.path):
                    yield self._finding(trace, linker, archive, names, lacked[names[0]])

    def _finding(self, trace: Trace, linker: Span, archive: Archive, names: list[str], words: Words) -> Finding:
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        facts = trace.facts_for("archive", linker.process.pid)
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=(
                f"{archive.path} was compiled for glibc: it needs {names[0]}{more}, which musl does not have, and "
                "this program is linked for musl."
            ),
            span=linker,
            evidence=evidence.of(
                evidence.quoted(words), linker.exit, *(fact for fact in facts if fact.subject == archive.path)
            ),
            fix=_fixes(trace, linker.build, archive.path),
            explains=steps.driver_keys(linker) | {f"flag:{archive.argument}"},
        )


def _fixes(trace: Trace, build: Build | None, path: str) -> list[Fix]:
    chosen = musl.chosen(build) if build is not None else None
    name = posixpath.basename(path)
    tag = " The module that ships it may have one behind a build tag, such as musl." if _OF_MODULES.search(path) else ""
    compiler = f" with {chosen}" if chosen else ""
    found = [Fix(f"Build {name}{compiler} too, or take one that was built for musl.{tag}")]
    if build is not None and chosen and split_quoted(build.env.get("CC", "")):
        settings = {"CC": "gcc"} | ({"CXX": "g++"} if musl.named_in(split_quoted(build.env.get("CXX", ""))) else {})
        found.append(fixes.corrected(trace, build, settings, "Or build for glibc from end to end."))
    return found
