"""GT215: C code calls a function that no header has declared."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import ClassVar

from gotrace.events.facets import Facet
from gotrace.rules import evidence, fixes, undeclared
from gotrace.rules.base import Rule
from gotrace.rules.evidence import Words
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.trace.model import Span, Trace

_TAG = re.compile(r"\[-W(?P<made>error[=,])?(?:-W)?implicit-function-declaration\]")
"""At the end of the line, in every language."""
_ERROR = re.compile(r"^(?:error|fatal error|Fehler|erreur)\b")
_HEADER = re.compile(r":\d+:\d+\s?[:：].*<(?P<header>[\w+./-]+\.h)>")
"""`note: include '<stdlib.h>' or provide a declaration of 'atoi'`, of functions that the compiler knows."""
_FIRST_GCC = 14
"""Since this release it is an error: https://gcc.gnu.org/gcc-14/porting_to.html."""
_ALLOW = "-Wno-error=implicit-function-declaration"


class ImplicitFunctionDeclaration(Rule):
    """C code calls a function that no header has declared, which this compiler does not accept.

    What it detects
    ---------------
    A C compile of a cgo build failed, and the compiler said of a call that its function is not declared: its message
    carries [-Wimplicit-function-declaration], which is the same in every language, and is an error and no warning.

    Why it happens
    --------------
    C89 let a function be called without a declaration, as one that returns int; C99 took that back. gcc up to 13 only
    warns, and Go does not show warnings of a package that compiles. gcc 14, clang 16 and zig refuse it. So code that
    has built for years, without the #include it needs, breaks with a newer compiler or with CC=zig.

    How to fix it
    -------------
    Include the header that declares the function; the manual page names it. Some declarations also need a macro
    before the first #include, such as _GNU_SOURCE. For code of others, -Wno-error=implicit-function-declaration in
    CGO_CFLAGS turns it into a warning again; where the function returns a pointer, the program will then crash.

    References
    ----------
    - https://gcc.gnu.org/gcc-14/porting_to.html
    - https://releases.llvm.org/16.0.0/tools/clang/docs/ReleaseNotes.html
    """

    code = "GT215"
    name = "implicit-function-declaration"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.STDERR_TEXT})
    consequence_of = (
        "wrong-target-compiler",
        "missing-header",
        "missing-target-headers",
        "glibc-headers-in-musl-build",
        "large-file-names-dropped",
    )

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each compile."""
        calls: dict[int, list[Words]] = {}
        spans: dict[int, Span] = {}
        for span, words in undeclared.complaints(trace):
            if _refuses(span, words):
                spans[id(span)] = span
                calls.setdefault(id(span), []).append(words)
        for key, found in calls.items():
            yield self._finding(trace, spans[key], found)

    def _finding(self, trace: Trace, span: Span, found: list[Words]) -> Finding:
        names = list(dict.fromkeys(words.found["name"] for words in found))
        more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
        place = undeclared.place(found[0])
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=f"{place} calls {names[0]}{more}, which no header there declares: {_why_an_error(span, found[0])}.",
            span=span,
            evidence=evidence.of(evidence.quoted(found[0]), span.exit),
            fix=_fixes(trace, span, found[0], names[0]),
            explains=undeclared.keys(span),
        )


def _refuses(span: Span, words: Words) -> bool:
    """It is about a call without a declaration, and an error; languages that are not known here go by the compiler."""
    tag = _TAG.search(words.found["rest"])
    if tag is None:
        return False
    return bool(tag["made"]) or _ERROR.search(words.found["words"]) is not None or _is_strict(span)


def _is_strict(span: Span) -> bool:
    compiler = span.compiler
    version = re.match(r"\d+", (compiler.version if compiler is not None else None) or "")
    return compiler is not None and compiler.family == "gcc" and version is not None and int(version[0]) >= _FIRST_GCC


def _why_an_error(span: Span, words: Words) -> str:
    tag = _TAG.search(words.found["rest"])
    if tag is not None and tag["made"]:
        return "-Werror makes an error of it"
    return f"an error for {_who(span)}, where gcc before 14 only warns"


def _who(span: Span) -> str:
    compiler = span.compiler
    if compiler is None or compiler.family is None:
        return "this compiler"
    version = f" {compiler.version}" if compiler.version and compiler.family != "zig" else ""
    return f"{compiler.family}{version}"


def _fixes(trace: Trace, span: Span, words: Words, name: str) -> list[Fix]:
    build = span.build
    header = next((w.found["header"] for w in evidence.all_said([span], _HEADER) if name in w.line), None)
    what = f"<{header}>" if header else f"the header that declares it (`man {name}` may name it)"
    old = (build.env.get("CGO_CFLAGS") if build is not None else None) or "-O2 -g"
    return [
        Fix(f"Include {what} in {posixpath.basename(words.found['file'])}."),
        Fix(
            f"Or, for code of others, have it warn again. That is right only if {name} returns int.",
            fixes.rerun(trace, build, {"CGO_CFLAGS": f"{old} {_ALLOW}"}),
        ),
    ]
