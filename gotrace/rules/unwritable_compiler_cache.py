"""GT123: ccache cannot write to its cache, and compiles nothing."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from gotrace.events.errno import errno_name
from gotrace.events.facets import Facet
from gotrace.events.model import SyscallError
from gotrace.events.tools import Role
from gotrace.rules import evidence, fixes, steps
from gotrace.rules.base import Rule
from gotrace.rules.evidence import Words
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.trace.model import Build, Span, Trace

_SAID = re.compile(r"^ccache: error: .*?(?P<path>/[^:\n]*): ")
"""ccache has no translations."""
_MAKING = frozenset({"mkdir", "mkdirat"})
_CREATING = frozenset({"open", "openat"})
_REFUSALS = {
    "EROFS": "its file system is read-only",
    "EACCES": "permission is denied",
    "EPERM": "the kernel does not permit it",
    "ENOTDIR": "a part of that path is a file",
    "ENOENT": "no folder can be made there",
}


@dataclass(frozen=True, slots=True)
class _Refused:
    """A run of ccache, its failing call, and what it said."""

    span: Span
    call: SyscallError
    words: Words | None

    @property
    def path(self) -> str:
        return self.call.paths[-1]


class UnwritableCompilerCache(Rule):
    """ccache cannot write to its cache, and compiles nothing.

    What it detects
    ---------------
    A run of ccache failed without having started a compiler, after its own mkdir(2) or open(2) for a file of its
    cache was refused. That it is ccache shows its path, its name or its message.

    Why it happens
    --------------
    ccache needs a folder for its files ($CCACHE_DIR, else $HOME/.cache/ccache or $HOME/.ccache) before it runs the
    compiler, and ends where it has none: in a sandbox or container with a read-only home, as a user without a home,
    or where an earlier `sudo` left the folder to root.

    How to fix it
    -------------
    Name a folder that can be written in CCACHE_DIR, give the folder back by chown, or go without: CCACHE_DISABLE=1
    has ccache only run the compiler.

    References
    ----------
    - https://ccache.dev/manual/latest.html#config_cache_dir
    - https://ccache.dev/manual/latest.html#config_disable
    """

    code = "GT123"
    name = "unwritable-compiler-cache"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.FAILED_PATHS})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each build, however many files it could not compile."""
        refused: dict[int, list[_Refused]] = {}
        for span in _decisive(trace):
            one = _refused(span)
            if one is not None:
                refused.setdefault(id(span.build), []).append(one)
        for runs in refused.values():
            yield self._finding(trace, runs)

    def _finding(self, trace: Trace, runs: list[_Refused]) -> Finding:
        first = runs[0]
        folder = _named_folder(first)
        reason = _REFUSALS[errno_name(first.call.errno)]
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=f"ccache cannot make {first.path}{f' (CCACHE_DIR={folder})' if folder else ''}: {reason}.",
            span=first.span,
            evidence=evidence.of(first.span.exec, first.call, evidence.quoted(first.words), first.span.exit),
            fix=_fixes(trace, first.span.build),
            explains=frozenset[str]().union(*map(_keys, (run.span for run in runs))),
        )


def _decisive(trace: Trace) -> Iterator[Span]:
    """The runs of compilers that broke a build, and those whose answers a cgo wanted that broke it.

    cgo compiles what must fail, to learn from the errors. Where ccache fails instead, cgo ends with "did not produce
    error at completed".
    """
    yield from steps.broken(trace, Role.CC)
    for cgo in steps.broken(trace, Role.CGO):
        yield from (span for span in cgo.children if span.role is Role.CC and span.failed and span.probe)


def _keys(span: Span) -> frozenset[str]:
    above = span.parent if span.probe else None
    return steps.driver_keys(span) | ({steps.span_key(above)} if above is not None else set())


def _refused(span: Span) -> _Refused | None:
    """The refused call that ended this run; a run that started a compiler ended for another reason."""
    if span.children:
        return None
    words = evidence.said(span, _SAID)
    if words is None and "ccache" not in (*span.exec.path.split("/"), posixpath.basename((*span.argv, "")[0])):
        return None
    said = words.found["path"] if words is not None else ""
    refused = [call for call in span.errors if call.paths and errno_name(call.errno) in _REFUSALS]
    # The compiler proper makes no folders. Files it may create, so that only the one ccache speaks of counts.
    made = [call for call in refused if call.syscall in _MAKING]
    made = made or [call for call in refused if call.syscall in _CREATING and call.paths[-1] == said]
    return _Refused(span, made[-1], words) if made else None


def _named_folder(refused: _Refused) -> str:
    build = refused.span.build
    folder = (build.env.get("CCACHE_DIR") if build is not None else None) or ""
    return folder if folder and f"{refused.path}/".startswith(folder.rstrip("/") + "/") else ""


def _fixes(trace: Trace, build: Build | None) -> list[Fix]:
    elsewhere = Fix("Or name a folder that can be written in CCACHE_DIR.")
    text = "Go without ccache's cache: it only runs the compiler then."
    settings = {"CCACHE_DISABLE": "1"}
    if build is None:
        return [Fix(text, fixes.rerun(trace, None, settings)), elsewhere]
    return [fixes.corrected(trace, build, settings, text), elsewhere]
