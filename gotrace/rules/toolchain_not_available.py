"""GT116: the build asks for a Go toolchain that is not there and cannot be had."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from gotrace.events.facets import Facet
from gotrace.events.tools import Role
from gotrace.rules import evidence, fixes, steps, toolchains
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.trace.model import Span, Trace

_TOO_OLD = re.compile(
    r"^(?:go: )?\s*(?P<what>\S.*?) requires go >= (?P<need>[\w.]+) \(running go (?P<have>[\w.]+)(?:; (?P<why>[^)]*))?\)"
)
"""cmd/go/internal/gover/toolchain.go. What Go says is the same in every locale."""
_NOT_LOADED = re.compile(r"^go: download go(?P<need>\d[\w.]*)(?: for [\w/]+)?: (?P<reason>.+)")
_NOT_IN_PATH = re.compile(r'^go: cannot find "go(?P<need>\d[\w.]*)" in PATH')
_OF_DOWNLOAD = re.compile(r"\.zip\"?: ")
"""What stands before it repeats the name of the toolchain as a module, and its address."""
_NO_PATCH = re.compile(r"1\.(?P<minor>\d+)")
_FIRST_WITH_PATCH_0 = 21
"""From 1.21 on the first release of a line is called 1.N.0 (https://go.dev/doc/toolchain#version)."""
_MODULE = re.compile(r"(?:module )?(?P<path>[^\s@]+)@(?P<version>\S+)")


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a go command said that it lacks."""

    version: str
    """1.99.0, without `go` in front."""
    by: str
    """go.mod, go.work, a module, or GOTOOLCHAIN."""
    have: str
    """The version that runs; empty where unknown."""
    words: evidence.Words
    confirmed: bool
    """By something else than the words."""


class ToolchainNotAvailable(Rule):
    """The build asks for a Go toolchain that is not there and cannot be had.

    What it detects
    ---------------
    A go command that gave up before it started a single tool, because go.mod, go.work, a module it depends on or
    GOTOOLCHAIN asks for another Go than the one that runs, and that one was neither in PATH nor could be downloaded,
    or must not be (GOTOOLCHAIN=local). The version comes from the go line of go.mod; for a module that is only a
    dependency, and for go commands that do not build, the go command's own words are the only proof (confidence 0.8).

    Why it happens
    --------------
    Since Go 1.21 the go line of go.mod is a lower limit, not a hint. A go command that is too old downloads the right
    toolchain as a module, through GOPROXY. GOTOOLCHAIN=local forbids that: container images and distributions set it.
    So does a machine without a network, and GOPROXY=off. `go 1.23` without a patch level names no release for the go
    commands that still take it literally: the first one is 1.23.0.

    How to fix it
    -------------
    Install that Go, or allow the download: GOTOOLCHAIN=auto with a GOPROXY that can be reached. Where the code does
    not need the newer Go, lower the line: `go mod edit -go=VERSION`; for a dependency, take an older version of it.

    References
    ----------
    - https://go.dev/doc/toolchain
    - https://go.dev/ref/mod#go-mod-file-go
    - https://github.com/golang/go/issues/62278
    """

    code = "GT116"
    name = "toolchain-not-available"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.STDERR_TEXT})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each go command that gave up for want of a toolchain."""
        for span in steps.broken(trace, Role.GO):
            if any(child.failed for child in span.children):
                continue
            wanted = _wanted(trace, span)
            if wanted is not None:
                yield self._finding(trace, span, wanted)

    def _finding(self, trace: Trace, span: Span, wanted: _Wanted) -> Finding:
        runs = f"this is go {wanted.have}" if wanted.have else "another one runs"
        own = {steps.build_key(span.build)} if span.build is not None and span.build.span is span else set[str]()
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=f"{wanted.by} asks for go {wanted.version}, {runs}, and {_hindrance(trace, span, wanted)}.",
            span=span,
            evidence=evidence.of(span.exec, evidence.quoted(wanted.words), span.exit),
            fix=_fixes(trace, span, wanted),
            confidence=1.0 if wanted.confirmed else 0.8,
            explains=frozenset({steps.span_key(span)} | own),
        )


def _wanted(trace: Trace, span: Span) -> _Wanted | None:
    """What it says that it lacks, held against what go.mod and GOTOOLCHAIN say."""
    goenv = _goenv(trace, span)
    have = str((goenv.get("values") or {}).get("GOVERSION") or "").removeprefix("go")
    required = {str(file): str(version) for file, version in (goenv.get("requires") or {}).items()}
    words = evidence.said(span, _TOO_OLD)
    if words is not None:
        by, version = words.found["what"], words.found["need"]
        confirmed = required.get(by) == version and _newer(version, have)
        return _Wanted(version, by, words.found["have"], words, confirmed)
    words = evidence.said(span, _NOT_LOADED) or evidence.said(span, _NOT_IN_PATH)
    if words is None:
        return None
    version, chosen = words.found["need"], _choice(span)
    if chosen.removeprefix("go").partition("+")[0] == version:
        return _Wanted(version, f"GOTOOLCHAIN={chosen}", have, words, bool(have) and have != version)
    file = next((file for file, line in required.items() if _full(line) == _full(version)), None)
    return _Wanted(version, file or "go.mod or go.work", have, words, file is not None and _newer(version, have))


def _choice(span: Span) -> str:
    return (span.exec.env or {}).get("GOTOOLCHAIN", "")


def _hindrance(trace: Trace, span: Span, wanted: _Wanted) -> str:
    """Why the go command did not get it."""
    found = wanted.words.found.groupdict()
    if wanted.words.found.re is _NOT_IN_PATH:
        return f"no go{wanted.version} is in PATH, the only place where {_choice(span)} lets it look"
    if found.get("reason"):
        reason = _OF_DOWNLOAD.split(found["reason"])[-1].rstrip(".")
        return f"the other one cannot be downloaded: {reason}"
    if found.get("why") or _choice(span) == "local":
        where = " (written by `go env -w`)" if _written(trace, span) else ""
        return f"{found.get('why') or 'GOTOOLCHAIN=local'}{where} forbids to download another"
    return "no other may be downloaded"


def _fixes(trace: Trace, span: Span, wanted: _Wanted) -> list[Fix]:
    given = [] if wanted.by.startswith("GOTOOLCHAIN=") else [_without_it(span, wanted)]
    if wanted.by.startswith("GOTOOLCHAIN="):
        text = "Use the Go that is installed, where go.mod is content with it."
        return [Fix(text, fixes.rerun(trace, span.build, {"GOTOOLCHAIN": "local"})), _install(wanted)]
    if _is_no_release(wanted) and wanted.words.found.re is not _TOO_OLD:
        text = f"go {wanted.version} is no release: name the patch level, {wanted.version}.0 for the first."
        return [Fix(text, _edit(wanted, f"{wanted.version}.0")), *given]
    if wanted.words.found.re is not _TOO_OLD:
        reach = "a GOPROXY that can be reached, and that has it" if _downloads(wanted) else "a folder of PATH"
        return [Fix(f"Give the go command go {wanted.version}: install it, or name {reach}."), *given]
    text = f"Let the go command download go {_full(wanted.version)}."
    back = [fixes.forget("GOTOOLCHAIN")] if _written(trace, span) else []
    return [Fix(text, fixes.rerun(trace, span.build, {"GOTOOLCHAIN": "auto"})), *back, _install(wanted), *given]


def _downloads(wanted: _Wanted) -> bool:
    return wanted.words.found.re is _NOT_LOADED


def _install(wanted: _Wanted) -> Fix:
    return Fix(f"Or install go {wanted.version} or newer, from https://go.dev/dl/ or as the image of that version.")


def _without_it(span: Span, wanted: _Wanted) -> Fix:
    """How to be content with the Go that runs."""
    if wanted.by in ("go.mod", "go.work") and wanted.have:
        text = f"Or, where the code does not need go {wanted.version}, lower the go line."
        return Fix(text, _in_folder(span, _edit(wanted, wanted.have)))
    module = _MODULE.search(wanted.by)
    what = module["path"] if module is not None else "the module that asks for it"
    return Fix(f"Or take a version of {what} that is content with go {wanted.have or 'an older one'} (go get).")


def _edit(wanted: _Wanted, version: str) -> tuple[str, ...]:
    """Also drops the toolchain line, which may name a newer one still."""
    subject = "work" if wanted.by == "go.work" else "mod"
    return ("go", subject, "edit", f"-go={version}", "-toolchain=none")


def _in_folder(span: Span, command: tuple[str, ...]) -> tuple[str, ...]:
    """GOTOOLCHAIN=local: `go mod edit` too would look for the toolchain that go.mod asks for."""
    chosen = () if _choice(span) == "local" else ("env", "GOTOOLCHAIN=local")
    return (*chosen, *command)


def _is_no_release(wanted: _Wanted) -> bool:
    found = _NO_PATCH.fullmatch(wanted.version)
    return found is not None and int(found["minor"]) >= _FIRST_WITH_PATCH_0


def _full(version: str) -> str:
    found = _NO_PATCH.fullmatch(version)
    return f"{version}.0" if found is not None and int(found["minor"]) >= _FIRST_WITH_PATCH_0 else version


def _newer(version: str, than: str) -> bool:
    """1.23rc1 counts as 1.23 here: the go command has already said that it is too old."""
    return bool(than) and _numbers(version) > _numbers(than)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", re.split(r"rc|beta", version)[0]))


def _written(trace: Trace, span: Span) -> bool:
    return span.build is not None and toolchains.written(trace, span.build, "GOTOOLCHAIN")


def _goenv(trace: Trace, span: Span) -> Mapping[str, Any]:
    pid = span.process.pid
    return next((fact.data for fact in trace.facts_for("goenv", pid)), {})
