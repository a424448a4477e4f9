"""GT120: a package uses names of package syscall that the system it is built for does not have."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from gotrace.events.facets import Facet
from gotrace.events.model import Fact
from gotrace.events.tools import Role
from gotrace.rules import evidence, steps
from gotrace.rules.base import Rule
from gotrace.rules.evidence import Words
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.listing import listed
from gotrace.trace.model import Build, Span, Trace

_HEADING = re.compile(r"^# (?P<package>\S+)")
_UNDEFINED = re.compile(r"^(?:vet: )?(?P<file>\S+\.go):(?P<line>\d+):\d+: undefined: syscall\.(?P<name>\w+)")
"""The compiler's words, which the go command passes on below a line `# PACKAGE`; the same in every locale."""
_LINE = re.compile(f"{_HEADING.pattern}|{_UNDEFINED.pattern}")
_OF_A_MODULE = "/pkg/mod/"
_FEW = 4
"""A constraint that names more systems is harder to read than the one that is without the name."""


@dataclass(slots=True)
class _Missed:
    """What one package missed, by name, each with the first line that says so."""

    package: str
    names: dict[str, Words] = field(default_factory=dict)


class SystemCallOfAnotherSystem(Rule):
    """A package uses names of package syscall that the system it is built for does not have.

    What it detects
    ---------------
    A compile failed for `undefined: syscall.NAME`, and Go's own sources, which were looked into right after the
    build, declare that name for other systems than the one that was built for. Names that no system has are left out.

    Why it happens
    --------------
    Package syscall is another one on each system: Linux has EpollCreate1 and Clone, macOS and the BSDs have Kqueue,
    Windows has handles. A test of runtime.GOOS is made at run time; the compiler wants each branch of it to be right
    on each system.

    How to fix it
    -------------
    Move what one system alone has into a file of its own, whose name says the system (poller_linux.go), and the
    counterpart for all others into one with a constraint (`//go:build !linux`). In a dependency: look for a version
    of the module that knows the system.

    References
    ----------
    - go help buildconstraint
    - https://pkg.go.dev/syscall
    - https://pkg.go.dev/cmd/go#hdr-Build_constraints
    """

    code = "GT120"
    name = "system-call-of-another-system"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.STDERR_TEXT, Facet.PROBED})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each package."""
        for build in trace.builds:
            goos = build.target.goos
            if not steps.broke_the_build(build.span) or goos is None:
                continue
            fact, systems = _declared(trace, build)
            for missed in _missed(build.span):
                elsewhere = {name: systems[name] for name in missed.names if _is_elsewhere(systems.get(name), goos)}
                if fact is not None and elsewhere:
                    yield self._finding(build, missed, elsewhere, fact)

    def _finding(self, build: Build, missed: _Missed, elsewhere: Mapping[str, Sequence[str]], fact: Fact) -> Finding:
        words = missed.names[next(iter(elsewhere))]
        compiles = [span for span in build.spans if _compiles(span, missed.package)]
        where = f"{words.found['file']}:{words.found['line']}"
        names = [f"syscall.{name}" for name in elsewhere]
        them = "it" if len(names) == 1 else "them"
        systems = sorted(set.intersection(*map(set, elsewhere.values())))
        have = f"which {listed(systems)} ha{'s' if len(systems) == 1 else 've'}" if systems else "which others have"
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=f"{where} uses {listed(names)}, {have} and {build.target.goos} has not (package {missed.package}).",
            span=compiles[0] if compiles else build.span,
            evidence=evidence.of(*(span.exec for span in compiles[:1]), evidence.quoted(words), fact, build.span.exit),
            fix=_fixes(words.found["file"], build, systems, them),
            explains=frozenset({*(steps.span_key(span) for span in compiles), f"package:{missed.package}"})
            | (frozenset() if compiles else {steps.span_key(build.span)}),
        )


def _declared(trace: Trace, build: Build) -> tuple[Fact | None, Mapping[str, Sequence[str]]]:
    """The fact, and the systems by name."""
    pid = build.span.process.pid
    for fact in trace.facts_of("syscall_names"):
        systems = fact.data.get("systems")
        if fact.data.get("pid", pid) == pid and isinstance(systems, Mapping):
            return fact, systems
    return None, {}


def _is_elsewhere(systems: Sequence[str] | None, goos: str) -> bool:
    return bool(systems) and goos not in (systems or ())


def _missed(go: Span) -> list[_Missed]:
    """The names that package after package missed, as the go command passes it on."""
    packages: list[_Missed] = []
    for words in evidence.all_said([go], _LINE):
        if words.found["package"]:
            packages.append(_Missed(words.found["package"].strip("[]")))
        elif packages:
            packages[-1].names.setdefault(words.found["name"], words)
    return packages


def _compiles(span: Span, package: str) -> bool:
    return span.role in (Role.COMPILE, Role.VET) and span.failed and not span.probe and span.package == package


def _fixes(file: str, build: Build, systems: Sequence[str], them: str) -> list[Fix]:
    if _OF_A_MODULE in file:
        return [Fix(f"Take a version of the module that supports {build.target.goos}; this one does not.")]
    goos, stem = build.target.goos, file.rpartition("/")[2].removesuffix(".go")
    if len(systems) == 1 and systems[0] != "unix":
        own, other = f"{stem}_{systems[0]}.go", f"a file that begins with //go:build !{systems[0]}"
        what = "what the other systems do instead"
    elif systems and len(systems) <= _FEW:
        condition = " || ".join(systems)
        own, other = f"a file that begins with //go:build {condition}", f"one with //go:build !({condition})"
        what = "what the others do instead"
    else:
        own, other, what = (
            f"a file that begins with //go:build !{goos}",
            f"{stem}_{goos}.go",
            f"what {goos} does instead",
        )
    why = "a test of runtime.GOOS is too late, each branch is compiled"
    return [Fix(f"Move what uses {them} into {own}, and {what} into {other}: {why}.")]
