"""GT209: code with absolute addresses in a link that must be position-independent."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import ClassVar

from gotrace.events.facets import Facet
from gotrace.rules import evidence, goline, linking, steps
from gotrace.rules.base import Rule
from gotrace.rules.evidence import Words
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.trace.model import Span, Trace

_REFUSED = re.compile(
    r"(?P<path>[^\s:]+?\.(?:a|o|lo|syso|so))(?:\((?P<member>[^)]+)\))?\s?[:：、]\s?"
    r".*?\b(?P<relocation>R_[A-Z0-9]+_\w+).*-fPI[CE]\b"
)
"""Relocation and option are not translated: `relocation R_X86_64_32S against ...; recompile with -fPIC`."""
_INDEPENDENT = {"-pie": "a position-independent program", "-shared": "a shared library", "--shared": "a shared library"}


class NotPositionIndependent(Rule):
    """An archive or object that was not compiled with -fPIC is linked into something that may lie anywhere in memory.

    What it detects
    ---------------
    A link with -pie or -shared failed, and the linker names an object and a relocation of it (R_X86_64_32S, ...) that
    only a program at a fixed address can have, and asks for -fPIC. The relocation and the object are in the message
    alone; they are the same in every language.

    Why it happens
    --------------
    -buildmode=pie, c-shared and plugin make code that is loaded at any address. Go compiles its own C files for that.
    An archive that was built elsewhere may be for programs at a fixed address: with -fno-pic, by a compiler without
    PIE as default, or by assembly that takes absolute addresses. In the ordinary build mode it links well.

    How to fix it
    -------------
    Compile the archive again with -fPIC (CFLAGS=-fPIC for most makefiles, --with-pic for libtool,
    -DCMAKE_POSITION_INDEPENDENT_CODE=ON for CMake). Where only -buildmode=pie asks for it, -buildmode=exe does without.

    References
    ----------
    - https://gcc.gnu.org/onlinedocs/gcc/Code-Gen-Options.html (-fPIC, -fPIE)
    - go help buildmode
    - https://github.com/golang/go/issues/13017
    """

    code = "GT209"
    name = "not-position-independent"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.STDERR_TEXT})
    consequence_of = ("wrong-target-compiler",)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each archive or object of a link; the linker may name many places in it."""
        for linker in linking.failed_links(trace):
            made = next((_INDEPENDENT[word] for word in linker.argv if word in _INDEPENDENT), None)
            seen: set[str] = set()
            for words in evidence.all_said([linker], _REFUSED):
                if made is not None and words.found["path"] not in seen:
                    seen.add(words.found["path"])
                    yield self._finding(trace, linker, words, made)

    def _finding(self, trace: Trace, linker: Span, words: Words, made: str) -> Finding:
        path, member = words.found["path"], words.found["member"]
        if linking.is_of_the_link(path):
            what = "C or assembler code of a Go package"
        else:
            what = f"{path} ({member})" if member else path
        relocation = words.found["relocation"]
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=f"{what} was compiled without -fPIC: its relocation {relocation} needs a fixed address, "
            f"and this link makes {made}.",
            span=linker,
            evidence=evidence.of(linker.exec, evidence.quoted(words), linker.exit),
            fix=_fixes(trace, linker, path),
            confidence=0.9,
            explains=steps.driver_keys(linker) | {f"flag:{linking.argument_of(linker, path)}"},
        )


def _fixes(trace: Trace, linker: Span, path: str) -> list[Fix]:
    build = linker.build
    if linking.is_of_the_link(path):
        first = Fix("Compile it with -fPIC: take -fno-pic, -fno-pie and the like out of CGO_CFLAGS and #cgo CFLAGS.")
    else:
        first = Fix(f"Compile {posixpath.basename(path)} again with -fPIC.")
    at_fixed = None if build is None else goline.with_word_replaced(trace, build, "-buildmode=pie", "-buildmode=exe")
    if at_fixed is None:
        return [first]
    return [first, Fix("Or make a program at a fixed address, where that is allowed.", at_fixed)]
