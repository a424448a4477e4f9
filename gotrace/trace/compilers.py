"""Which C compiler each run really used: behind wrappers, for which target, in which version.

A `compiler` fact (the compiler itself was asked) comes first. Else the trace shows it: gcc starts its parts from
.../gcc/TARGET/VERSION/, clang is told `-triple`, a wrapper starts the compiler proper. A prefix of the name is the
last resort. What none of them tells stays None.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gotrace.events.tools import LAUNCHERS, PYTHON, Role
from gotrace.trace.argv import absolute, flag_value
from gotrace.trace.model import Compiler, Span, Trace

_PARTS = frozenset({Role.CC1, Role.AS, Role.COLLECT2, Role.LD})

_GCC_FOLDER = re.compile(r"/gcc(?:-cross)?/(?P<target>[^/]+-[^/]+)/(?P<version>\d[^/]*)/")
"""GCC's own folder, as in /usr/lib/gcc-cross/aarch64-linux-gnu/12/cc1 (GCC manual, "Spec Files", libsubdir)."""

_NAME = re.compile(
    r"(?:(?P<target>[A-Za-z0-9_.]+(?:-[A-Za-z0-9_.]+){1,3})-)?"
    r"(?P<program>gcc|g\+\+|cpp|cc|c\+\+|gfortran|clang|clang\+\+|musl-gcc|zig)(?:-(?P<version>\d[\d.]*))?"
)
_FAMILIES = {"gcc": "gcc", "g++": "gcc", "gfortran": "gcc", "clang": "clang", "clang++": "clang", "zig": "zig"}


def identify(trace: Trace) -> None:
    """Set `compiler` of every compiler driver's span and of the compiler's parts below it."""
    seen = _Seen(trace)
    for span in trace.spans:
        if span.role is Role.CC:
            span.compiler = seen.compiler_of(span)
        elif span.role in _PARTS and span.parent is not None:
            span.compiler = span.parent.compiler


class _Seen:
    """What a trace shows of compilers, by the path they were executed as."""

    def __init__(self, trace: Trace) -> None:
        self._facts: dict[str, list[Mapping[str, Any]]] = {}
        for fact in trace.facts_of("compiler"):
            self._facts.setdefault(fact.subject, []).append(fact.data)
        self._folders: dict[str, re.Match[str]] = {}
        self._triples: dict[Span, str] = {}
        self._paths: dict[str, str] = {}
        self._proper_below: dict[Span, str] = {}
        self._behind: dict[str, str] = {}
        for span in reversed(trace.spans):  # the first driver below a wrapper counts, and what that one ran
            if span.role is Role.CC and span.parent is not None and span.parent.role is Role.CC:
                self._proper_below[span.parent] = self._proper_below.get(span) or _path(span)
        for span in trace.spans:
            if span.role is Role.CC:
                if span in self._proper_below:  # once seen what /usr/lib/ccache/gcc runs, it is known for all its runs
                    self._behind.setdefault(_path(span), self._proper_below[span])
                elif not wrapper_words(span):
                    self._paths.setdefault(posixpath.basename(span.exec.path), _path(span))
            elif span.role in _PARTS:
                self._learn(span)

    def compiler_of(self, span: Span) -> Compiler:
        """The compiler that a driver's span used."""
        path, wrapper = _path(span), wrapper_words(span)
        proper = self._proper(span, wrapper)
        data = self._fact(span, path, proper)
        name = _NAME.fullmatch(posixpath.basename(proper or path))
        folder = self._folders.get(proper or path)
        family = _text(data, "family") or ("gcc" if folder else None)
        family = family or ("zig" if posixpath.basename(wrapper[-1] if wrapper else "") in ("zig", "ziglang") else None)
        family = family or (_FAMILIES.get(name["program"]) if name else None)
        return Compiler(
            path=path,
            resolved=_text(data, "resolved") or proper,
            wrapper=wrapper or _words(data, "wrapper"),
            target=(_text(data, "target") if data.get("arguments") else self._asked_target(span, family))
            or _text(data, "target")
            or (folder["target"] if folder else None)
            or (name["target"] if name else None),
            version=_text(data, "version")
            or (folder["version"] if folder else None)
            or (name["version"] if name else None),
            family=family,
        )

    def _learn(self, part: Span) -> None:
        """One of a compiler's parts tells of its driver; a clang part only of the drivers of this very run."""
        drivers = list(_drivers(part))
        folder = _GCC_FOLDER.search(part.exec.path)
        if drivers and folder is not None:
            self._folders.setdefault(_path(drivers[0]), folder)
        triple = flag_value(part.argv, "-triple") if part.role is Role.CC1 else None
        if triple is not None:
            for driver in drivers:
                self._triples.setdefault(driver, triple)

    def _proper(self, span: Span, wrapper: Sequence[str]) -> str | None:
        """Path of the compiler that a wrapper ran; None where the span itself is the compiler."""
        if span in self._proper_below:
            return self._proper_below[span]
        # Nothing ran: the wrapper answered from its cache, or it failed.
        if not wrapper:
            return None if posixpath.basename(span.exec.path) in LAUNCHERS else self._behind.get(_path(span))
        word = span.argv[len(wrapper)] if len(span.argv) > len(wrapper) else ""
        return word if word.startswith("/") else self._paths.get(word)

    def _fact(self, span: Span, path: str, proper: str | None) -> Mapping[str, Any]:
        """What the compiler proper said, else what was asked through the wrapper, with this run's target arguments."""
        for subject in (proper, path):
            asked = [
                data for data in self._facts.get(subject or "", ()) if set(_words(data, "arguments")) <= set(span.argv)
            ]
            if len({_text(data, "resolved") for data in asked}) == 1:  # else: several compilers behind one wrapper
                return max(asked, key=lambda data: len(_words(data, "arguments")))
        return {}

    def _asked_target(self, span: Span, family: str | None) -> str | None:
        """The target that clang's or zig's arguments ask for; gcc is built for one target and knows no such option."""
        if family == "gcc":
            return None
        return flag_value(span.argv, "--target") or flag_value(span.argv, "-target") or self._triples.get(span)


def wrapper_words(span: Span) -> tuple[str, ...]:
    """The words of a driver's command line in front of the compiler proper; empty for a plain compiler."""
    argv = span.argv
    count = 0
    while len(argv) > count + 1 and posixpath.basename(argv[count]) in LAUNCHERS and argv[count + 1][:1] != "-":
        count += 1
    if argv[count + 1 : count + 3] == ("-m", "ziglang") and PYTHON.fullmatch(posixpath.basename(argv[count])):
        count += 3
    elif len(argv) > count + 1 and posixpath.basename(argv[count]) == "zig":
        count += 1
    return argv[:count]


def _drivers(part: Span) -> Iterator[Span]:
    """The drivers above a part, up to whatever wanted something compiled; ld's collect2 is passed over."""
    for above in part.ancestors():
        if above.role is Role.CC:
            yield above
        elif above.role not in _PARTS:
            return


def _path(span: Span) -> str:
    return absolute(span.exec.path, span.exec.cwd)


def _text(data: Mapping[str, Any], key: str) -> str | None:
    value = data.get(key)
    return value if isinstance(value, str) and value else None


def _words(data: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = data.get(key)
    return tuple(word for word in value if isinstance(word, str)) if isinstance(value, list | tuple) else ()
