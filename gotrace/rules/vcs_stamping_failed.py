"""GT114: git refused to say what go wants to stamp a program with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

from gotrace.events.facets import Facet
from gotrace.events.model import Fact
from gotrace.rules import evidence, fixes, steps
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.trace.argv import names_of
from gotrace.trace.model import Build, Span, Trace

_QUESTIONS = {
    "git": ("status", "log"),
    "hg": ("log", "status"),
    "bzr": ("status", "revision-info"),
    "svn": ("info", "status"),
}
"""What the go command asks (cmd/go/internal/vcs/vcs.go), by the program it asks."""
_NO_STATUS = re.compile(r"error obtaining VCS status: ")
_DUBIOUS = re.compile(r"dubious ownership in repository at '(?P<folder>[^']+)'|unsafe repository \('(?P<old>[^']+)'")
"""git 2.35.3 and later; git 2.35.2."""


class VcsStampingFailed(Rule):
    """The version control system refused to answer, so the go command would not build.

    What it detects
    ---------------
    A go command ended with an error, none of its tools failed, and the `git status` or `git log` (hg, svn, bzr) that it
    ran did. The words of go (`error obtaining VCS status`), which are never translated, confirm it. What git said is
    not repeated by go: gotrace asks git once more.

    Why it happens
    --------------
    Since Go 1.18 a program carries the commit it was built from, and for that go asks git. git refuses to work in
    folders of another user (status 128, `dubious ownership`), which is what a container sees of a mounted work tree,
    and root of a user's. Also a folder .git that is incomplete, as COPY in a Dockerfile or a submodule leaves it.

    How to fix it
    -------------
    Where the stamp is of no interest: `go build -buildvcs=false`, or GOFLAGS=-buildvcs=false. To keep it, tell git that
    the folder is trusted: `git config --global --add safe.directory /the/folder`, or give it to the user who builds.

    References
    ----------
    - https://go.dev/issue/49004, https://go.dev/issue/53640, https://go.dev/issue/68834
    - https://github.com/cri-o/cri-o/issues/6670
    - git-config(1) (safe.directory); go help build (-buildvcs)
    """

    code = "GT114"
    name = "vcs-stamping-failed"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each go command that gave up on it."""
        for build in trace.builds:
            asked = next((span for span in build.spans if _refused(build, span)), None)
            words = evidence.said(build.span, _NO_STATUS)
            known = Facet.STDERR_TEXT in trace.observes
            if not build.failed or asked is None or (known and words is None):
                continue
            if words is None and any(steps.broke_the_build(s) for s in build.spans if s not in (asked, build.span)):
                continue
            yield self._finding(trace, build, asked, words)

    def _finding(self, trace: Trace, build: Build, asked: Span, words: evidence.Words | None) -> Finding:
        folder = asked.exec.cwd or "the folder of the build"
        fact = next((one for one in trace.facts_of("vcs") if one.subject == folder), None)
        command = " ".join((asked.exec.path.rpartition("/")[2], *asked.argv[1:]))
        status = asked.exit.status if asked.exit is not None else None
        ended = f"ended with status {status}" if status is not None else "was killed"
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=f"`{command}` {ended} in {folder}, so go cannot stamp the program with its commit{_why(fact)}.",
            span=asked,
            evidence=evidence.of(asked.exec, asked.exit, evidence.quoted(words), build.span.exit, fact),
            fix=_fixes(trace, build, fact),
            confidence=1.0 if words is not None else 0.8,
            explains=frozenset({steps.span_key(asked), steps.span_key(build.span), steps.build_key(build)}),
        )


def _refused(build: Build, span: Span) -> bool:
    """A question that the go command itself put, and that ended with an error."""
    if not span.failed or span.parent is not build.span:
        return False
    words = [word for word in span.argv[1:] if not word.startswith(("-", "log.showsignature="))]
    return any(words[:1] == [verb] for name in names_of(span.exec) for verb in _QUESTIONS.get(name, ()))


def _why(fact: Fact | None) -> str:
    if fact is None:
        return ""
    if _untrusted(fact) is not None:
        return ": the folder belongs to another user, and git does not trust it"
    says = str(fact.data.get("says", "")).removeprefix("fatal: ").rstrip(".")
    return f": {says}" if says else ""


def _untrusted(fact: Fact | None) -> str | None:
    """The repository that git does not trust."""
    found = _DUBIOUS.search(str(fact.data.get("says", ""))) if fact is not None else None
    return None if found is None else found["folder"] or found["old"]


def _fixes(trace: Trace, build: Build, fact: Fact | None) -> list[Fix]:
    flags = f"{build.env.get('GOFLAGS', '')} -buildvcs=false".strip()
    without = fixes.corrected(trace, build, {"GOFLAGS": flags}, "Build without the stamp (go build -buildvcs=false).")
    folder = _untrusted(fact)
    if folder is None:
        return [without]
    trust = ("git", "config", "--global", "--add", "safe.directory", folder)
    return [without, Fix("Or tell git that you trust the folder; then the program has its stamp.", trust)]
