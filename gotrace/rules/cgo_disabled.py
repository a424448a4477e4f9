"""GT104: cgo was off, though nobody said so, or though the build needs it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

from gotrace.events.facets import Facet
from gotrace.events.model import Event, Fact
from gotrace.events.quoted import split_quoted
from gotrace.events.tools import Role
from gotrace.rules import cgo_lines, cgo_switch, evidence, fixes, lookups, steps, targets, toolchains
from gotrace.rules.base import Rule, UndecidedError
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.trace.model import Build, Span, Trace

_BUILDING = frozenset({"build", "install", "test", "run", "vet"})
_UNDEFINED = re.compile(r"undefined: (?:(?P<of>\w+)\.)?\w+")
_EXCLUDED = re.compile(r"build constraints exclude all Go files in (?P<folder>[^\n]+)")
"""go/build.NoGoError."""
_DEFINE_WITHOUT_C = (
    "Or, where it is meant to be built without C, define what is missing in a Go file for that: `//go:build !cgo`."
)
_NAMED = 10
"""So many packages are named; more are counted."""


class CgoDisabled(Rule):
    """cgo was off, and packages lost their C parts: nobody said so, or what is left does not build.

    What it detects
    ---------------
    A go command built with CGO_ENABLED=0 that the user set nowhere (not in the environment, not by `go env -w`), and
    packages outside the standard library have files with `import "C"` that were left out for it. Either the build
    fails (`build constraints exclude all Go files`, or names that only those files define), or, worse, it succeeds
    with a stub in their place: that is a warning.

    Where somebody did say CGO_ENABLED=0 (in the environment, a Dockerfile's ENV, a script, by `go env -w`), a build
    that succeeds is what was asked for. It is a finding only if the build failed, and for want of those files.

    Why it happens
    --------------
    CGO_ENABLED has a default that depends on the circumstances: 0 in a cross build, whatever CC is, and 0 where the
    C compiler is not in PATH; 1 otherwise. Go drops files with `import "C"` silently when cgo is off. A CGO_ENABLED=0
    that was once exported or written for another program stays for this one, of which a part exists in C alone.

    How to fix it
    -------------
    Say what is meant. With C: CGO_ENABLED=1, and in a cross build CC with a compiler for the target; then a missing
    compiler is an error instead of a different program. Without C: CGO_ENABLED=0, and gotrace stays silent. What a
    program was built with is in `go version -m PROGRAM`. `go env -u CGO_ENABLED` takes back what `go env -w` wrote.

    References
    ----------
    - go doc cmd/cgo (CGO_ENABLED)
    - go help environment (go env -w)
    - https://go.dev/issue/24068, https://go.dev/issue/46330
    - https://github.com/mattn/go-sqlite3/issues/620
    """

    code = "GT104"
    name = "cgo-disabled"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.PROBED})
    consequence_of = ("compiler-not-found",)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each go command that lost C parts."""
        undecided = ""
        for build in trace.builds:
            if not _may_be_off(build):
                continue
            by_hand = cgo_switch.who_turned_off(trace, build)
            undecided = undecided or ("" if by_hand and not _lacks_something(build) else _unanswered(trace, build))
            seen = build.span.exec.env is not None
            lost = list(_lost_packages(trace, build)) if seen and build.target.cgo_enabled is False else []
            if lost and (not by_hand or _breaks(trace, build, lost)):
                yield self._finding(trace, build, lost, by_hand)
            elif lost and build.failed and Facet.STDERR_TEXT not in trace.observes:
                undecided = undecided or "what the go command said was not observed: it may be that it lacks C parts"
        if undecided:
            raise UndecidedError(undecided)

    def _finding(self, trace: Trace, build: Build, lost: list[Fact], by_hand: str | None) -> Finding:
        lookup = None if by_hand or targets.crosses(build) else _compiler_lookup(build)
        stubbed = [fact for fact in lost if _was_stubbed(build, fact)]
        excluded = [fact for fact in lost if not fact.data.get("other_files") and fact not in stubbed]
        undefined = _misses_names(build, lost)
        broke = build.failed and bool(excluded or undefined)
        ordered = [*stubbed, *excluded, *(fact for fact in lost if fact not in stubbed and fact not in excluded)]
        events: list[Event | None] = [build.span.exec]
        if lookup is not None:
            events += evidence.sample(lookup.calls)
        events += [*ordered[:2], build.span.exit]
        why = by_hand or _why_off(trace, build, lookup)
        return Finding(
            code=self.code,
            name=self.name,
            severity=Severity.ERROR if broke else Severity.WARNING,
            message=f"{why}, so {_what_is_lost(build, ordered, excluded)}.",
            span=build.span,
            evidence=evidence.of(*events),
            fix=_fixes_by_hand(trace, build, lost) if by_hand else _fixes(trace, build, lookup, lost),
            confidence=1.0 if excluded or not broke else 0.8,
            source=cgo_lines.of_package(trace, build, ordered[0].subject),
            explains=frozenset({f"package:{fact.subject}" for fact in lost})
            | ({f"cc:{lookup.name}"} if lookup is not None else set())
            | (_explained(build, excluded, undefined) if broke else set()),
        )


def _explained(build: Build, excluded: list[Fact], undefined: list[Span]) -> set[str]:
    """The failures that the loss accounts for: the go command's own, or the compiles that missed names."""
    own = {steps.span_key(build.span)} if excluded or build.span in undefined else set()
    return {steps.build_key(build), *own, *(steps.span_key(span) for span in undefined)}


def _may_be_off(build: Build) -> bool:
    """It is not known that CGO_ENABLED was 1, and nobody said anything but 0."""
    said = build.env.get("CGO_ENABLED") not in (None, "", "0")
    return build.subcommand in _BUILDING and build.target.cgo_enabled is not True and not said


def _unanswered(trace: Trace, build: Build) -> str:
    """Why it is not known whether this build lost packages: its settings were not seen, or a question to go failed."""
    if build.span.exec.env is None:
        return "the environment of the go command is not known, so CGO_ENABLED may have been set there"
    wanted = {"gopackage"} if build.target.cgo_enabled is False else {"goenv", "gopackage"}
    pid = build.span.process.pid
    for fact in trace.facts_of("probe_failed"):
        if fact.data.get("about") in wanted and fact.data.get("pid", fact.pid or pid) == pid:
            return f"{fact.subject} failed: {fact.data.get('reason', 'no answer')}"
    return ""


def _lost_packages(trace: Trace, build: Build) -> Iterator[Fact]:
    """The packages outside the standard library from which this build left out what CGO_ENABLED=1 would compile."""
    pid = build.span.process.pid
    for fact in trace.facts_for("gopackage", pid):
        if not fact.data.get("standard") and fact.data.get("cgo_files"):
            yield fact


def _lacks_something(build: Build) -> bool:
    """It failed, and says that a package has no files, or that something is not defined."""
    text = build.span.stderr
    return build.failed and (_EXCLUDED.search(text) is not None or _UNDEFINED.search(text) is not None)


def _breaks(trace: Trace, build: Build, lost: list[Fact]) -> bool:
    """The build failed, and says of what was lost that it is missing. That much has to be known of what was asked for.

    What Go says is the same in every locale. Where its words were not observed, a package that was wanted and has no
    file left is enough; those that a pattern such as ./... passes over in silence are not among the facts.
    """
    said = {found["folder"] for found in _EXCLUDED.finditer(build.span.stderr)}
    heard = Facet.STDERR_TEXT in trace.observes
    empty = (fact for fact in lost if not fact.data.get("other_files"))
    gone = any(not heard or fact.data.get("dir") in said for fact in empty)
    return steps.broke_the_build(build.span) and (gone or bool(_misses_names(build, lost)))


def _compiler_lookup(build: Build) -> lookups.LookUp | None:
    """The go command's own search for the C compiler, which decided that cgo is off."""
    words = split_quoted(build.target.cc or build.env.get("CC") or "")
    return lookups.in_vain(build.span, build, words[0] if words else "gcc")


def _was_stubbed(build: Build, fact: Fact) -> bool:
    """The package was compiled without its C files, or was taken like that from the cache: the dangerous kind."""
    if not fact.data.get("other_files"):
        return False
    return not build.failed or any(
        s.role is Role.COMPILE and s.package == fact.subject and not s.failed for s in build.spans
    )


def _misses_names(build: Build, lost: list[Fact]) -> list[Span]:
    """The runs that failed for want of what a lost file would have defined.

    The compiler writes to its stdout; what it says comes from the go command, below a line `# PACKAGE`.
    """
    told = _by_package(build.span.stderr)
    failed = [span for span in build.spans if span.role in (Role.COMPILE, Role.VET) and span.failed]
    texts = {id(s): s.stderr + (told.get(s.package, "") if s.package else build.span.stderr) for s in failed}
    found = [span for span in failed if _lacks_a_lost_name(texts[id(span)], span.package, lost)]
    if not failed and build.failed and any(_lacks_a_lost_name(told[package], package, lost) for package in told):
        return [build.span]
    return found


def _by_package(text: str) -> dict[str, str]:
    """The go command's messages by the package they are about; those without one under an empty name."""
    sections: dict[str, str] = {}
    package = ""
    for line in text.splitlines(keepends=True):
        if line.startswith("# "):
            package = line[2:].split()[0] if line[2:].strip() else ""
        sections[package] = sections.get(package, "") + line
    return sections


def _lacks_a_lost_name(text: str, package: str | None, lost: list[Fact]) -> bool:
    """`undefined: storage.Open` for a package storage that lost files, `undefined: open` within such a package."""
    names = [found["of"] for found in _UNDEFINED.finditer(text)]
    own = any(fact.subject == package for fact in lost)
    return any(own if of is None else any(of in fact.subject for fact in lost) for of in names)


def _why_off(trace: Trace, build: Build, lookup: lookups.LookUp | None) -> str:
    if targets.crosses(build):
        here = targets.host(build)
        return f"cgo is off by default in a build for {targets.target(build)} on {here}, and CGO_ENABLED is not set"
    if lookup is not None:
        where = f"in none of the {lookup.folders} folders of PATH" if lookup.folders > 1 else "not in PATH"
        outside = toolchains.outside_path(trace, lookup.name)
        where += f" (there is one at {outside}, which PATH does not have)" if outside else ""
        return f"The C compiler {lookup.name} is {where}, which turns cgo off where CGO_ENABLED is not set"
    return "cgo was off, and CGO_ENABLED is not set"


def _what_is_lost(build: Build, ordered: list[Fact], excluded: list[Fact]) -> str:
    """Each package with the place of its `import "C"`, the most dangerous first."""
    without = [fact for fact in ordered if fact not in excluded]
    verb = "vetted" if build.subcommand == "vet" else "built"
    told = []
    if without:
        were = f"was {verb} without its C part" if len(without) == 1 else f"were {verb} without their C parts"
        told.append(f"{_listed(without)} {were}")
    if excluded:
        told.append(f"no Go file of {_listed(excluded)} was left to build")
    return ", and ".join(told)


def _listed(facts: list[Fact]) -> str:
    more = [f"{len(facts) - _NAMED} more"] if len(facts) > _NAMED else []
    *first, last = [*(_with_position(fact) for fact in facts[:_NAMED]), *more]
    return f"{', '.join(first)} and {last}" if first else last


def _with_position(fact: Fact) -> str:
    position = fact.data.get("import_c") or next(iter(fact.data.get("cgo_files") or []), "")
    return f'{fact.subject} (import "C" at {position})' if position else fact.subject


def _fixes(trace: Trace, build: Build, lookup: lookups.LookUp | None, lost: list[Fact]) -> list[Fix]:
    if targets.crosses(build):
        if _has_fitting_compiler(build):
            text = "Turn cgo on as well: in a cross build a fitting CC does not do that."
            with_cgo = [fixes.corrected(trace, build, {"CGO_ENABLED": "1"}, text)]
        else:
            with_cgo = fixes.use_compiler(trace, build)
    else:
        with_cgo = [*_compiler(trace, build, lookup), *_turn_on(trace, build, lookup)]
    return [*with_cgo, _without_c(trace, build, lost)]


def _fixes_by_hand(trace: Trace, build: Build, lost: list[Fact]) -> list[Fix]:
    """To say the opposite, and where it was said for all builds to come, to take it back."""
    if targets.crosses(build):
        with_cgo = _fixes(trace, build, None, lost)[:-1]
    else:
        with_cgo = [*cgo_switch.missing_compiler(trace, build)]
        with_cgo += [fixes.corrected(trace, build, {"CGO_ENABLED": "1"}, "Turn cgo on for this build.")]
    written = toolchains.written(trace, build, "CGO_ENABLED")
    lacking = any(not fact.data.get("other_files") for fact in lost)
    return [
        *with_cgo,
        *([fixes.forget("CGO_ENABLED")] if written else []),
        *([_without_c(trace, build, lost)] if lacking else [Fix(_DEFINE_WITHOUT_C)]),
    ]


def _turn_on(trace: Trace, build: Build, lookup: lookups.LookUp | None) -> list[Fix]:
    """No command where the compiler is known to be missing: it would fail at once."""
    if lookup is None:
        text = "Turn cgo on explicitly: then a missing compiler is an error."
        return [fixes.corrected(trace, build, {"CGO_ENABLED": "1"}, text)]
    if toolchains.outside_path(trace, lookup.name) is not None:
        return []
    return [Fix("CGO_ENABLED=1, once the compiler is there, makes a missing one an error instead of a silent loss.")]


def _compiler(trace: Trace, build: Build, lookup: lookups.LookUp | None) -> list[Fix]:
    """How to come by the C compiler whose absence turned cgo off."""
    if lookup is None:
        return []
    outside = toolchains.outside_path(trace, lookup.name)
    if outside is not None:
        return [fixes.widen_path(trace, build, outside, {"CGO_ENABLED": "1"})]
    install = fixes.install(trace, targets.packages_of_command(lookup.name), f"Install {lookup.name}")
    return [install or Fix(f"Install the C compiler {lookup.name}, or name one that is there in CC.")]


def _without_c(trace: Trace, build: Build, lost: list[Fact]) -> Fix:
    """Saying so is enough only where every package has Go files that do without C."""
    lacking = [fact.subject for fact in lost if not fact.data.get("other_files")]
    if lacking:
        many = f"{', '.join(lacking[:_NAMED])} {'needs' if len(lacking) == 1 else 'need'}"
        return Fix(f"Or, where it is meant to be built without C, {many} a Go file for that: `//go:build !cgo`.")
    text = "Or, where it is meant to be built without C, say so."
    return fixes.corrected(trace, build, {"CGO_ENABLED": "0"}, text)


def _has_fitting_compiler(build: Build) -> bool:
    """The user chose a compiler, and its name does not say that it is for another target."""
    chosen, wanted = split_quoted(build.env.get("CC", "")), targets.target(build)
    triple = targets.triple_in_name(chosen[0]) if chosen else None
    return bool(chosen) and (triple is None or wanted is None or targets.fits(triple, wanted))
