"""GT210: C++ code linked by a C compiler, which does not bring the C++ library."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import ClassVar

from gotrace.events.facets import Facet
from gotrace.events.model import Fact
from gotrace.rules import evidence, fixes, linking, steps
from gotrace.rules.base import Rule
from gotrace.rules.evidence import Words
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.linking import Archive
from gotrace.trace.model import Span, Trace

_OF_THE_LIBRARY = re.compile(
    r"(?:^|\s)std::|^operator (?:new|delete)\b|^(?:vtable|typeinfo) for (?:std|__cxxabiv1)::|^__gxx_personality_v0$"
    r"|^__cxa_(?:throw|rethrow|begin_catch|end_catch|allocate_exception|pure_virtual|guard_\w+)$"
    r"|^_Z(?:nw|na|dl|da|St|NSt|NKSt)\w+$"
)
"""Names of C++'s own library, as the linker shows them (demangled); no language translates them."""
_LIBRARY = re.compile(r"(?:-l|.*/lib)(?P<name>stdc\+\+|c\+\+)(?:\.(?:so|a)[.\d]*)?|-l:lib(?:stdc\+\+|c\+\+)\..*")
_OF_LLVM = ("std::__1::", "NSt3__1", "NKSt3__1")


class CppRuntimeMissing(Rule):
    """C++ code was linked by the C compiler, which does not add the C++ library.

    What it detects
    ---------------
    A link failed with names of C++'s own library undefined (std::..., operator new, __gxx_personality_v0), and the
    linker's command line has neither libstdc++ nor libc++. Which archive needs them was read when the link had ended;
    where that is not known (an object that is gone by then), the names in the linker's message alone decide, with a
    confidence of 0.8. With the library on the command line it is another problem: an archive made by a newer compiler
    than the library's.

    Why it happens
    --------------
    Go has CXX do the link only where the package itself has C++ files (.cc, .cpp, .cxx). An archive given by
    `#cgo LDFLAGS`, or a .syso file, does not tell in which language it was written, so the C compiler links, and it
    does not know of libstdc++.

    How to fix it
    -------------
    `#cgo LDFLAGS: -lstdc++` behind the archive (-lc++ for code made by clang -stdlib=libc++), or an empty .cc file
    beside the Go file, so that g++ links. For one command: CGO_LDFLAGS.

    References
    ----------
    - go doc cmd/cgo (C++ files, CXX)
    - https://gcc.gnu.org/onlinedocs/gcc/Invoking-G_002b_002b.html
    - https://itanium-cxx-abi.github.io/cxx-abi/abi.html
    """

    code = "GT210"
    name = "cpp-runtime-missing"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.STDERR_TEXT})
    consequence_of = ("wrong-target-compiler", "missing-library")

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each link."""
        for linker in linking.failed_links(trace):
            if any(_LIBRARY.fullmatch(word) for word in linker.argv):
                continue
            lacked = {name: w for name, w in linking.undefined(linker).items() if _OF_THE_LIBRARY.search(name)}
            if lacked:
                yield self._finding(trace, linker, lacked)

    def _finding(self, trace: Trace, linker: Span, lacked: dict[str, Words]) -> Finding:
        user = next((one for one in linking.archives(trace, linker) if one.cplusplus), None)
        name = min(lacked, key=len)
        more = f" and {len(lacked) - 1} more" if len(lacked) > 1 else ""
        library = _library(user, lacked)
        who = f"{user.path} is C++ code: it" if user is not None else "The link has C++ code: it"
        by = posixpath.basename(steps.driver(linker).exec.path)
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=f"{who} needs {name}{more} of lib{library}, and {by}, which links here, does not bring it.",
            span=linker,
            evidence=evidence.of(evidence.quoted(lacked[name]), linker.exit, _fact(trace, linker, user)),
            fix=_fixes(trace, linker, user, library),
            confidence=1.0 if user is not None else 0.8,
            explains=steps.driver_keys(linker) | ({f"flag:{user.argument}"} if user is not None else set()),
        )


def _library(user: Archive | None, lacked: dict[str, Words]) -> str:
    """Clang's library has a namespace of its own within std."""
    names = [*lacked, *(user.cplusplus if user is not None else ())]
    return "c++" if any(mark in name for name in names for mark in _OF_LLVM) else "stdc++"


def _fact(trace: Trace, linker: Span, user: Archive | None) -> Fact | None:
    facts = (fact for fact in trace.facts_of("archive") if fact.data.get("pid") == linker.process.pid)
    return next((fact for fact in facts if user is not None and fact.subject == user.path), None)


def _fixes(trace: Trace, linker: Span, user: Archive | None, library: str) -> list[Fix]:
    build = linker.build
    old = (build.env.get("CGO_LDFLAGS") if build is not None else None) or "-O2 -g"
    behind = f" behind {user.argument}" if user is not None else ""
    return [
        Fix(
            f"Link with -l{library}, here or in the package by #cgo LDFLAGS: -l{library}{behind}.",
            fixes.rerun(trace, build, {"CGO_LDFLAGS": f"{old} -l{library}"}),
        ),
        Fix("Or put an empty C++ file (such as cgo.cc) beside the Go file: then the C++ compiler links."),
    ]
