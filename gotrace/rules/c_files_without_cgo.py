"""GT121: a package has C files, and no Go file of this build that imports C."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

from gotrace.events import gocommand
from gotrace.events.facets import Facet
from gotrace.events.model import Fact
from gotrace.rules import evidence, steps
from gotrace.rules.base import Rule
from gotrace.rules.evidence import Words
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.listing import listed
from gotrace.trace.model import Build, Trace

_REFUSED = re.compile(
    r"(?:\bpackage |\bimports |\A|: )(?P<package>[^\s:]+): "
    r"(?P<language>C|C\+\+|Objective-C|Fortran) source files not allowed when not using cgo or SWIG: (?P<files>.+)"
)
"""cmd/go/internal/load/pkg.go. What Go says is the same in every locale."""


class CFilesWithoutCgo(Rule):
    """A package has C files, and no Go file of this build that imports C.

    What it detects
    ---------------
    A go command refused a package for its C, C++, Objective-C or Fortran files before it ran any tool for it. Where
    such a package has Go files with `import "C"` that this build left out, they are named. Which package and which
    files is in Go's message alone, which is the same in every language.

    Why it happens
    --------------
    Go compiles C files only as a part of a package that uses cgo. Either a build tag left out the Go file that uses
    them, and not them; or a C program lies in the folder of a package that is all Go. With CGO_ENABLED=0 Go leaves
    out all C files by itself, so that the same package builds without cgo.

    How to fix it
    -------------
    Write the same `//go:build` line into the C file as into the Go file that uses it. Move a C program that is no
    part of the package into a folder without Go files, or write `//go:build ignore` at its top.

    References
    ----------
    - go help buildconstraint
    - go doc cmd/cgo ("When the Go tool sees that one or more Go files use the special import C")
    - https://github.com/golang/go/blob/master/src/cmd/go/internal/load/pkg.go
    """

    code = "GT121"
    name = "c-files-without-cgo"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.STDERR_TEXT})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each package that was refused."""
        for build in trace.builds:
            if steps.broke_the_build(build.span):
                for words in evidence.all_said([build.span], _REFUSED):
                    yield self._finding(trace, build, words)

    def _finding(self, trace: Trace, build: Build, words: Words) -> Finding:
        package, files = words.found["package"], words.found["files"].split()
        fact = _left_out(trace, build, package)
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=f"{_what_is_wrong(build, package, files, fact)}.",
            span=build.span,
            evidence=evidence.of(build.span.exec, fact, evidence.quoted(words), build.span.exit),
            fix=_fixes(package, files, fact),
            confidence=1.0 if fact is not None else 0.8,
            explains=frozenset({steps.span_key(build.span), steps.build_key(build), f"package:{package}"}),
        )


def _left_out(trace: Trace, build: Build, package: str) -> Fact | None:
    """The package's Go files with `import "C"` that no tag of this build selects."""
    pid = build.span.process.pid
    for fact in trace.facts_of("gopackage"):
        of_this = fact.subject == package and fact.data.get("pid", pid) == pid
        if of_this and fact.data.get("ignored_cgo_files") and not fact.data.get("cgo_files"):
            return fact
    return None


def _what_is_wrong(build: Build, package: str, files: list[str], fact: Fact | None) -> str:
    has = f'Package {package} has {listed(files)}, which Go compiles only beside a Go file with import "C"'
    if fact is None:
        return f"{has}, and this build takes none"
    tags = gocommand.parse(("go", build.subcommand, *build.flags)).value("tags")
    by = f" (-tags {tags})" if tags else ""
    ignored = fact.data["ignored_cgo_files"]
    are = "is" if len(ignored) == 1 else "are"
    return f"{has}, and {listed(ignored)} {are} left out of this build by a build constraint{by}"


def _fixes(package: str, files: list[str], fact: Fact | None) -> list[Fix]:
    if fact is not None:
        like = listed(fact.data["ignored_cgo_files"])
        return [Fix(f"Begin {listed(files)} with the //go:build line of {like} and an empty line.")]
    return [
        Fix(
            f"Move {listed(files)} into a folder without Go files, or begin it with //go:build ignore and an empty "
            f"line, where it is no part of {package}."
        ),
        Fix('Or, where it is, import "C" in a Go file of the package.'),
    ]
