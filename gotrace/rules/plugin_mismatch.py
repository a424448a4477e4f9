"""GT313: a Go plugin that was built in another way than the program that opens it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar, Final

from gotrace.events.facets import Facet
from gotrace.events.model import Dlopen, Dlsym, Fact
from gotrace.rules import evidence, libcs, rebuild, steps
from gotrace.rules.base import Rule
from gotrace.rules.evidence import Words
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.listing import listed
from gotrace.rules.loaded_files import Files, binary, files, name_of
from gotrace.trace.model import Span, Trace

_OPENS_PLUGINS: Final = "pluginOpen"
"""The C function of Go's package plugin that calls dlopen (plugin/plugin_dlopen.go); cgo puts a name in front of it."""
_SAYS: Final = re.compile(
    r"plugin was built with a different version of package (?P<package>\S+)|no plugin module data"
    r"|plugin: not implemented"
)
_OF_A_BUILD: Final = re.compile(r"-buildmode|-compiler|vcs.*|-ldflags|DefaultGODEBUG|CGO_\w*FLAGS")
"""Settings in which a program and its plugins may differ, or of which the empty one means the same as none."""
_OF_ALL: Final = re.compile(r"^by go|-trimpath|-race|-msan|-asan|GOAMD64|GOEXPERIMENT|^with \S+/\S+ v")
"""Differences by which no package is the same, and those of modules that both have."""
_PLUGIN: Final = "plugin"


class PluginMismatch(Rule):
    """A program opened a Go plugin that was built with another Go, other flags or other packages, or is no plugin.

    What it detects
    ---------------
    Go's package plugin opened a file by dlopen(3), which went well, looked up no symbol of it, and the program failed.
    The build information in both files tells what differs: the release of Go, -trimpath, -race, -tags, the level of
    the processor; where it tells of no difference, a package that both have differs, which the program's own words
    name. A file that is no plugin is told from one by the same information, a static program by its headers. A program
    without cgo has no plugins at all, which only its words tell: then the confidence is 0.8.

    Why it happens
    --------------
    A plugin shares all packages with the program, the standard library too, so both must have been compiled from the
    same source with the same flags. Package plugin compares a hash of each package ("plugin was built with a different
    version of package"), which the program gets as an error. A plugin of another Go release, or a shared library that
    is no plugin, registers nothing with the runtime, which ends the program: "fatal error: runtime: no plugin module
    data"; recover() is no help there. In a static program no plugin finds the runtime: it is joined to it by the
    dynamic linker, and a static program offers that nothing.

    How to fix it
    -------------
    Build the plugin with the program's own toolchain and flags, from the same go.mod, best in the same step:
    `go build -buildmode=plugin`. `go version -m FILE` shows how each was built. Link the program dynamically.

    References
    ----------
    - https://pkg.go.dev/plugin (Warnings)
    - https://github.com/golang/go/issues/33072, https://github.com/golang/go/issues/32095
    - https://github.com/fission/fission/issues/1639
    """

    code = "GT313"
    name = "plugin-mismatch"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.DL_CALLS, Facet.LIBRARIES})
    infers_from_absence: ClassVar[frozenset[str]] = frozenset({"dlopen", "dlsym"})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each program: with the first plugin that does not fit it ends."""
        for span in trace.spans:
            if not span.failed:
                continue
            known = files(trace, span)
            opened = _unused(span)
            words = evidence.said(span, _SAYS)
            plugin = binary(trace, span.process, opened.filename or "") if opened is not None else None
            if opened is not None and known.program is not None and _is_refused(known.program, plugin, words):
                yield self._of_plugin(known, span, opened, plugin)
            elif words is not None and "not implemented" in words.line and _without_cgo(known.program):
                yield self._not_implemented(span, known, words)

    def _of_plugin(self, known: Files, span: Span, opened: Dlopen, plugin: Fact | None) -> Finding:
        path = opened.filename or ""
        words = evidence.said(span, _SAYS)
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=_message(span, path, known, plugin, words),
            span=span,
            evidence=evidence.of(opened, evidence.quoted(words), span.exit),
            fix=_fixes(known, plugin, path),
            explains=frozenset({steps.span_key(span)}),
        )

    def _not_implemented(self, span: Span, known: Files, words: Words) -> Finding:
        text = "Build the program with cgo; it needs a C compiler then, and the plugin the same."
        again = rebuild.again(known.program, "CGO_ENABLED=1") if known.program is not None else None
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=f"{name_of(span.exec.path)} was built without cgo, and cannot open plugins.",
            span=span,
            evidence=evidence.of(evidence.quoted(words), span.exit),
            fix=[Fix(text, again)],
            confidence=0.8,
            explains=frozenset({steps.span_key(span)}),
        )


def _unused(span: Span) -> Dlopen | None:
    """The last file that package plugin opened, if no symbol of it was looked up: those of a plugin all are."""
    last: Dlopen | None = None
    for event in span.linking:
        if isinstance(event, Dlopen):
            ours = event.caller is not None and event.caller.symbol.endswith(_OPENS_PLUGINS)
            last = event if ours and event.handle else last
        elif isinstance(event, Dlsym) and last is not None and event.handle == last.handle:
            last = None
    return last


def _is_refused(program: Fact, plugin: Fact | None, words: Words | None) -> bool:
    """A plugin's own init may have ended the program as well: then both were built alike, as far as that matters."""
    if words is not None:
        return True
    if plugin is None:
        return False
    return not _is_plugin(plugin) or any(_OF_ALL.search(one) for one in _differences(program, plugin))


def _without_cgo(program: Fact | None) -> bool:
    return rebuild.setting(program, "CGO_ENABLED") == "0"


def _is_plugin(file: Fact | None) -> bool:
    return rebuild.setting(file, "-buildmode") == _PLUGIN


def _message(span: Span, path: str, known: Files, plugin: Fact | None, words: Words | None) -> str:
    beginning = f"{name_of(span.exec.path)} opens {path} as a plugin"
    if plugin is not None and not _is_plugin(plugin):
        mode = rebuild.setting(plugin, "-buildmode")
        what = f"Go built it with -buildmode={mode}" if mode else "it is a shared library of another language"
        return f"{beginning}, and that is none: {what}."
    told = _differences(known.program, plugin)
    if libcs.is_static(known):
        return f"{beginning}, and is static itself: no plugin finds the Go runtime of a static program."
    if told:
        return f"{beginning}, which was built in another way: {listed(told)}."
    package = words.found["package"] if words is not None else None
    other = f"the package {package}" if package else "a package that both have"
    return f"{beginning}, and {other} is not the same in both: another version, or built with other flags."


def _differences(program: Fact | None, plugin: Fact | None) -> list[str]:
    """As in "with go1.25.5, the program with go1.26.8"."""
    found = []
    ours, theirs = (str(rebuild.go_of(file).get("version", "")) for file in (program, plugin))
    if ours and theirs and ours != theirs:
        found.append(f"by {theirs}, the program by {ours}")
    here, there = (_modules(file) for file in (program, plugin))
    for module in sorted(here.keys() & there.keys()):
        if here[module] != there[module]:
            found.append(f"with {module} {there[module]}, the program with {here[module]}")
    names = [*_settings(program), *(name for name in _settings(plugin) if name not in _settings(program))]
    for name in names:
        ours, theirs = rebuild.setting(program, name), rebuild.setting(plugin, name)
        if ours != theirs and not _OF_A_BUILD.fullmatch(name):
            found.append(_difference(name, ours, theirs))
    return found


def _difference(name: str, here: str, there: str) -> str:
    flag = name.startswith("-")
    if flag and not here:
        return f"with {name if there == 'true' else f'{name}={there}'}, the program without"
    if flag and not there:
        return f"without {name if here == 'true' else f'{name}={here}'}, the program with it"
    return f"with {name}={there}, the program with {here or 'none'}"


def _modules(file: Fact | None) -> dict[str, str]:
    modules = rebuild.go_of(file).get("modules")
    return {str(path): str(version) for path, version in modules.items()} if isinstance(modules, dict) else {}


def _settings(file: Fact | None) -> list[str]:
    settings = rebuild.go_of(file).get("settings")
    return list(settings) if isinstance(settings, dict) else []


def _fixes(known: Files, plugin: Fact | None, path: str) -> list[Fix]:
    program = known.program
    if program is not None and _is_plugin(plugin) and libcs.is_static(known):
        text = "Link the program dynamically, without -static in the linker's flags."
        return [Fix(text, rebuild.again(program, "CGO_ENABLED=1"))]
    same = _flags(program)
    version = str(rebuild.go_of(program).get("version", "")).partition(" ")[0]
    settings = ["CGO_ENABLED=1"]
    if plugin is not None and _is_plugin(plugin) and version != rebuild.go_of(plugin).get("version"):
        settings.append(f"GOTOOLCHAIN={version}")
    flags = ("-buildmode=plugin", *same)
    if plugin is None or not _is_plugin(plugin):
        text = "Build it as a plugin, in the folder of its Go package, with the program's own Go and flags."
        return [Fix(text, ("env", *settings, "go", "build", *flags, "-o", path, "."))]
    text = "Build the plugin again with the Go and the flags of the program, from the same versions of all packages."
    return [Fix(text, rebuild.again(plugin, *settings, flags=flags))]


def _flags(program: Fact | None) -> tuple[str, ...]:
    """The flags of a program's build that its plugins must have as well."""
    kept = ("-trimpath", "-race", "-msan", "-asan", "-tags", "-gcflags", "-asmflags")
    values = ((name, rebuild.setting(program, name)) for name in kept)
    return tuple(name if value == "true" else f"{name}={value}" for name, value in values if value)
