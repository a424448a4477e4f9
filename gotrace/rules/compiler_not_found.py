"""GT103: the compiler that CC, CXX or FC names is not there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

from gotrace.events.errno import errno_name
from gotrace.events.facets import Facet
from gotrace.events.quoted import split_quoted
from gotrace.events.tools import Role
from gotrace.rules import evidence, fixes, lookups, steps, targets, toolchains
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.lookups import LookUp, Refused
from gotrace.trace.model import Build, Span, Trace

_DEFAULTS = {"CC": ("gcc", "clang"), "CXX": ("g++", "clang++"), "FC": ("gfortran",)}
"""What the go command takes where the variable is not set: gcc, or clang on darwin and the BSDs."""
_LANGUAGE = {"CC": "C", "CXX": "C++", "FC": "Fortran"}
_DO_WITHOUT_C = frozenset({"runtime/cgo", "net", "os/user"})
"""The packages of the standard library that use cgo only where it is on."""
_REFUSALS = {
    "ENOENT": "it is there, but the interpreter that its #! line or its ELF header names is not",
    "ENOEXEC": "it is there, but it is no program for this machine",
    "EACCES": "it is there, but it may not be executed",
}


class CompilerNotFound(Rule):
    """The compiler that CC, CXX or FC names is not there, or cannot be executed.

    What it detects
    ---------------
    With cgo on, cgo, the linker or the go command looked for a compiler in all folders of PATH (or at the one path
    that CC gives) and found none, and its step failed. There is no execve to be seen: Go asks stat(2) first and
    never starts a program that is not there. Also a compiler that is there and that the kernel refuses to run,
    because the interpreter in its first line is missing.

    Why it happens
    --------------
    Slim images have no compiler. CC may name one that is not installed, may hold a path with a blank (CC is split at
    blanks), or may come from another machine's settings. A package with .cc files needs a C++ compiler besides, and
    CXX is not derived from CC. With CGO_ENABLED unset a missing compiler turns cgo off instead: see cgo-disabled.

    How to fix it
    -------------
    Install the compiler (`apt-get install gcc libc6-dev`, `g++` for C++), or point CC at the one that is there. A
    path with a blank needs quotes of its own: CC="'/path with blank/gcc'". Where nothing in the program needs C,
    CGO_ENABLED=0 says so; a package that has only files with `import "C"` cannot be built like that.

    References
    ----------
    - go doc cmd/cgo (CC, CXX)
    - go doc os/exec LookPath
    - https://go.dev/issue/47215, https://go.dev/issue/52064
    """

    code = "GT103"
    name = "compiler-not-found"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.FAILED_PATHS})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each compiler that a build lacks, however many packages need it."""
        for build in trace.builds:
            if not build.failed or build.target.cgo_enabled is False:
                continue
            found: dict[str, Finding] = {}
            for searcher in _searchers(build):
                for variable, name in _candidates(build, searcher):
                    lack = lookups.in_vain(searcher, build, name) or lookups.refused(searcher, name)
                    if lack is None or not _decisive(build, searcher, variable, lack):
                        continue
                    keys = _keys(searcher, name)
                    if name in found:
                        found[name].explains |= keys
                    else:
                        found[name] = self._finding(trace, build, variable, lack, keys)
            yield from found.values()

    def _finding(
        self, trace: Trace, build: Build, variable: str, lack: LookUp | Refused, keys: frozenset[str]
    ) -> Finding:
        span = lack.searcher if isinstance(lack, LookUp) else lack.starter
        package = steps.package(span)
        needed_by = f" (needed by package {package})" if package else ""
        if isinstance(lack, LookUp):
            events = [*evidence.sample(lack.calls, 4), evidence.quoted(lack.words), span.exit]
        else:
            events = [lack.attempt, span.exit]
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=f"{_what_is_wrong(trace, build, variable, lack)}{needed_by}.",
            span=span,
            evidence=evidence.of(*events),
            fix=_fixes(trace, build, variable, lack),
            explains=keys | ({f"package:{package}"} if package else set()),
        )


def _searchers(build: Build) -> Iterator[Span]:
    """The runs whose own look-ups decide: cgo and the linker that failed, then the go command itself."""
    for span in build.spans:
        if span.role in (Role.CGO, Role.LINK) and steps.broke_the_build(span):
            yield span
    yield build.span


def _candidates(build: Build, searcher: Span) -> Iterable[tuple[str, str]]:
    """The programs that a tool may look for, with the variable that names them."""
    env = {**build.env, **(searcher.exec.env or {})}
    known = {"CC": build.target.cc, "CXX": build.target.cxx}
    for variable, defaults in _DEFAULTS.items():
        value = env.get(variable) or known.get(variable)
        words = split_quoted(value) if value else []
        yield from ((variable, name) for name in (words[:1] or defaults))
    for word in searcher.argv:
        if word.startswith("-extld="):
            yield from (("CC", name) for name in split_quoted(word.removeprefix("-extld="))[:1])


def _decisive(build: Build, searcher: Span, variable: str, lack: LookUp | Refused) -> bool:
    """This look-up broke something.

    The go command looks for CC at every start, only to choose the default of CGO_ENABLED, and may well do without; it
    looks for CXX and FC when a package needs them.
    """
    if searcher is not build.span:
        return True
    return (variable != "CC" and isinstance(lack, LookUp)) or (isinstance(lack, LookUp) and lack.words is not None)


def _keys(searcher: Span, name: str) -> frozenset[str]:
    return frozenset({f"cc:{name}", steps.span_key(searcher)})


def _what_is_wrong(trace: Trace, build: Build, variable: str, lack: LookUp | Refused) -> str:
    language = _LANGUAGE[variable]
    value = _value(trace, build, variable)
    chosen = f" ({variable}={value}{_by_whom(trace, build, variable)})" if value else ""
    if isinstance(lack, Refused):
        return f"The {language} compiler {lack.attempt.path}{chosen} cannot be executed: {_REFUSALS[_errno(lack)]}"
    if toolchains.whole_path(trace, value):
        return (
            f"{variable}={value} is split at its blanks, so {lack.name} was taken for the {language} compiler, "
            "and there is no such file"
        )
    if "/" in lack.name:
        return f"The {language} compiler {lack.name}{chosen} does not exist"
    places = f"none of the {lack.folders} folders" if lack.folders > 1 else "no folder"
    who = lack.searcher.role.value
    wanted = f" for {targets.target(build)}" if targets.crosses(build) else ""
    outside = toolchains.outside_path(trace, lack.name)
    there = f"; there is one at {outside}, which PATH does not have" if outside else ""
    return (
        f"The {language} compiler {lack.name}{chosen} is in {places} of PATH, where {who} looked for it{wanted}{there}"
    )


def _value(trace: Trace, build: Build, variable: str) -> str:
    """What the user set the variable to, in the environment or by `go env -w`; empty for nothing."""
    known = {"CC": build.target.cc, "CXX": build.target.cxx}.get(variable) or ""
    return build.env.get(variable) or (known if toolchains.written(trace, build, variable) else "")


def _by_whom(trace: Trace, build: Build, variable: str) -> str:
    return ", set by `go env -w`" if toolchains.written(trace, build, variable) else ""


def _errno(lack: Refused) -> str:
    return errno_name(lack.attempt.error)


def _fixes(trace: Trace, build: Build, variable: str, lack: LookUp | Refused) -> list[Fix]:
    value = _value(trace, build, variable)
    forget = [fixes.forget(variable)] if toolchains.written(trace, build, variable) else []
    whole = toolchains.whole_path(trace, value)
    if whole is not None:
        quoted = {variable: _in_quotes(whole) + value.strip()[len(whole) :]}
        text = "Put quotes inside the value, so that it stays one word."
        return [fixes.corrected(trace, build, quoted, text), *forget]
    if isinstance(lack, Refused):
        text = f"Repair {lack.attempt.path}, or name another compiler in {variable}."
        if not value:
            return [Fix(text)]
        return [fixes.corrected(trace, build, {variable: _DEFAULTS[variable][0]}, text), *forget]
    found: list[Fix] = []
    outside = toolchains.outside_path(trace, lack.name)
    needed = targets.packages_of_command(lack.name.rpartition("/")[2])
    if outside is not None:
        found.append(fixes.widen_path(trace, build, outside, {}))
    elif not value and targets.crosses(build):
        found += fixes.use_compiler(trace, build)
    elif needed and "/" not in lack.name:
        fix = fixes.install(trace, needed, f"Install {lack.name}")
        found += [fix] if fix is not None else []
    if not found:
        found.append(Fix(f"Install {lack.name}, or name a {_LANGUAGE[variable]} compiler that is there in {variable}."))
    if value:
        found += _without(trace, build, variable, lack)
    elif variable == "CC":
        found.append(_without_c(trace, build))
    return [*found, *forget]


def _without_c(trace: Trace, build: Build) -> Fix:
    """CGO_ENABLED=0 is no way out for a program that has C of its own and nothing in its place."""
    pid = build.span.process.pid
    own = {s.package for s in _searchers(build) if s.role is Role.CGO and s.package} - _DO_WITHOUT_C
    known = [f for f in trace.facts_for("gopackage", pid) if f.data.get("cgo_files")]
    own |= {fact.subject for fact in known if not fact.data.get("standard")}
    own -= {fact.subject for fact in known if fact.data.get("other_files")}
    if not own:
        return Fix("Or, where nothing in the program needs C, say so with CGO_ENABLED=0.")
    first, *more = sorted(own)
    named = f"{first} and {len(more)} more have" if more else f"{first} has"
    return Fix(f"Or build with CGO_ENABLED=0, but only if {named} a Go file for that: `//go:build !cgo`.")


def _in_quotes(path: str) -> str:
    return f"'{path}'" if '"' in path else f'"{path}"'


def _without(trace: Trace, build: Build, variable: str, lack: LookUp) -> list[Fix]:
    """The way out for a value that was not meant: the compiler that this target usually has."""
    toolchain = targets.toolchain_for(build)
    if toolchain is None or variable == "FC":
        return [Fix(f"Or name another {_LANGUAGE[variable]} compiler in {variable}.")]
    usual = toolchain.cc if variable == "CC" else toolchain.cxx
    if usual == lack.name:
        return []
    known = {True: "which is installed", False: "once it is installed: PATH has none", None: "if that is installed"}
    text = f"Or use {usual}, {known[toolchains.has(trace, usual)]}."
    return [fixes.corrected(trace, build, {variable: usual}, text)]
