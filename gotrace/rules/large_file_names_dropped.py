"""GT217: C code for musl uses the names of glibc's 64-bit file calls, which musl hides."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

from gotrace.events.facets import Facet
from gotrace.rules import evidence, fixes, musl, steps, undeclared
from gotrace.rules.base import Rule
from gotrace.rules.evidence import Words
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.trace.model import Span, Trace

NAMES = re.compile(
    r"(?:p(?:read|write)v?|lseek|open(?:at)?|creat|f?truncate|fallocate|posix_f(?:advise|allocate)|lockf|mmap|sendfile"
    r"|[fl]?stat|fstatat|f?statv?fs|f(?:re)?open|f(?:seek|tell)o|f[gs]etpos|tmpfile|mko?stemps?"
    r"|readdir|scandir|alphasort|versionsort|getdents|n?ftw|glob(?:free)?|[gs]etrlimit|dirent|flock|rlimit|aiocb"
    r"|aio_(?:cancel|error|fsync|read|return|suspend|write)|lio_listio)64"
    r"|(?:off|ino|blkcnt|fsblkcnt|fsfilcnt|rlim|fpos|glob)64_t"
)
"""What the headers of musl 1.2.5 define for _LARGEFILE64_SOURCE alone."""
_MACRO = "-D_LARGEFILE64_SOURCE"


class LargeFileNamesDropped(Rule):
    """C code for musl uses pread64, off64_t and the like, which musl declares only on demand.

    What it detects
    ---------------
    A C compile for musl failed, and the compiler complains of a name that ends in 64 of those which glibc has for
    large files: pread64, off64_t, open64, stat64. The compiler quotes the name in every language.

    Why it happens
    --------------
    glibc has two of each call, for 32-bit and for 64-bit offsets. musl has 64-bit offsets alone, and had the longer
    names as macros for _GNU_SOURCE too; since 1.2.4 (Alpine 3.19) they are there only for _LARGEFILE64_SOURCE. Code
    that defines _GNU_SOURCE alone compiles with glibc and with an older musl. go-sqlite3 was the best-known case.

    How to fix it
    -------------
    Take a newer release of the module. For one command: CGO_CFLAGS with -D_LARGEFILE64_SOURCE. In code of your own,
    drop the 64 and define _FILE_OFFSET_BITS=64 before the first #include: the plain names are right for both.

    References
    ----------
    - https://musl.libc.org/releases.html (1.2.4)
    - feature_test_macros(7) (_LARGEFILE64_SOURCE, _FILE_OFFSET_BITS)
    - https://github.com/mattn/go-sqlite3/issues/1164, https://github.com/mattn/go-sqlite3/pull/1177
    """

    code = "GT217"
    name = "large-file-names-dropped"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.STDERR_TEXT})
    consequence_of = ("wrong-target-compiler", "glibc-headers-in-musl-build")

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each compile."""
        found: dict[int, tuple[Span, list[Words]]] = {}
        for span, words in undeclared.complaints(trace):
            if NAMES.fullmatch(words.found["name"]) and _is_for_musl(span) and not _has_macro(span):
                found.setdefault(id(span), (span, []))[1].append(words)
        for span, lines in found.values():
            yield self._finding(trace, span, lines)

    def _finding(self, trace: Trace, span: Span, found: list[Words]) -> Finding:
        names = list(dict.fromkeys(words.found["name"] for words in found))
        others = [name for name in names[1:3] if name != names[0]]
        listed = f"{names[0]} ({', '.join(others)} too)" if others else names[0]
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=(
                f"{undeclared.place(found[0])} uses {listed}, which musl declares only for _LARGEFILE64_SOURCE: since "
                "1.2.4, _GNU_SOURCE does not bring it any more."
            ),
            span=span,
            evidence=evidence.of(evidence.quoted(found[0]), span.exit),
            fix=_fixes(trace, span, names[0]),
            explains=undeclared.keys(span),
        )


def _is_for_musl(span: Span) -> bool:
    """Its compiler is, or that of the build it is cgo's part of."""
    return musl.compiles_for(span) or (span.build is not None and musl.chosen(span.build) is not None)


def _has_macro(span: Span) -> bool:
    return any(_MACRO in word for word in (*span.argv, *steps.driver(span).argv))


def _fixes(trace: Trace, span: Span, name: str) -> list[Fix]:
    build = span.build
    old = (build.env.get("CGO_CFLAGS") if build is not None else None) or "-O2 -g"
    plain = "off_t" if name == "off64_t" else name.replace("64", "")
    return [
        Fix(
            "Define it for this build, or take a newer release of the module, which may do so itself.",
            fixes.rerun(trace, build, {"CGO_CFLAGS": f"{old} {_MACRO}"}),
        ),
        Fix(f"In code of your own: {plain}, with #define _FILE_OFFSET_BITS 64 before the first #include."),
    ]
