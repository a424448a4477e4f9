"""GT122: an empty line parts the preamble from import "C"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

from gotrace.events.facets import Facet
from gotrace.events.model import Fact
from gotrace.events.tools import Role
from gotrace.rules import evidence, steps
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.listing import listed
from gotrace.trace.model import Span, Trace

_UNKNOWN = re.compile(r"^(?P<file>[^:\n]+):\d+:\d+: could not determine what C\.(?P<name>\w+) refers to")
"""cmd/cgo/gcc.go. What cgo says is the same in every locale."""


class DetachedPreamble(Rule):
    """An empty line parts the preamble from import "C", so cgo does not see it.

    What it detects
    ---------------
    A run of cgo failed because it knows a name of C nowhere, and in the file that uses the name a comment which holds
    that name, or an #include, ends above `import "C"` with nothing but empty lines between the two.

    Why it happens
    --------------
    The preamble is the comment right above `import "C"`, as a documentation comment stands right above what it
    documents. With an empty line between them it is a comment like any other: cgo compiles an empty preamble.

    How to fix it
    -------------
    Remove the empty line. Text that is no C (a licence, a build constraint) stays above it, parted by an empty line.

    References
    ----------
    - go doc cmd/cgo ("If the import of C is immediately preceded by a comment")
    - https://go.dev/blog/cgo
    """

    code = "GT122"
    name = "detached-preamble"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.STDERR_TEXT, Facet.PROBED})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each file with such a comment."""
        for cgo in steps.broken(trace, Role.CGO):
            for fact in trace.facts_of("preamble"):
                if fact.data.get("pid") == cgo.process.pid and fact.data.get("empty_lines"):
                    yield self._finding(trace, cgo, fact)

    def _finding(self, trace: Trace, cgo: Span, fact: Fact) -> Finding:
        first, last = fact.data["empty_lines"]
        empty = f"empty line {first}" if first == last else f"empty lines {first} to {last}"
        package = steps.package(cgo)
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=f"cgo does not know {_unknown(cgo, fact)}: {empty} of {_short(trace, fact.subject)} "
            f'part{"s" if first == last else ""} the preamble, which {_what_it_has(fact)}, from import "C".',
            span=cgo,
            evidence=evidence.of(cgo.exec, fact, evidence.quoted(evidence.said(cgo, _UNKNOWN)), cgo.exit),
            fix=[_fix(trace, fact.subject, first, last)],
            confidence=1.0 if fact.data.get("mentions") else 0.9,
            explains=steps.driver_keys(cgo) | ({f"package:{package}"} if package else set()),
        )


def _unknown(cgo: Span, fact: Fact) -> str:
    """The names that the comment holds; where it only includes headers, all that cgo did not know."""
    said = (words.found["name"] for words in evidence.all_said([cgo], _UNKNOWN))
    names = [f"C.{name}" for name in dict.fromkeys(fact.data.get("mentions") or said)]
    return listed(names) if names else "a name of C"


def _what_it_has(fact: Fact) -> str:
    if fact.data.get("mentions"):
        return "has " + ("them" if len(fact.data["mentions"]) > 1 else "it")
    return f"includes {listed(list(fact.data['includes']))}"


def _fix(trace: Trace, path: str, first: int, last: int) -> Fix:
    which = f"{first}d" if first == last else f"{first},{last}d"
    lines = "the empty line" if first == last else "the empty lines"
    return Fix(f'Remove {lines} above import "C".', ("sed", "-i", which, _short(trace, path)))


def _short(trace: Trace, path: str) -> str:
    """The path as seen from the folder of the command."""
    return path.removeprefix(trace.header.cwd.rstrip("/") + "/") if trace.header.cwd else path
