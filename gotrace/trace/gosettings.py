"""For which target a go command really built, and which of its settings are the user's.

The go command puts its settings into its own environment before it starts a tool (cmd/go/main.go, `invoke`), so the
tools' environment says what counted; `go env` stands in where no tool was started. What the *user* set is told by the
environment of the go command itself and by `go env -w`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from gotrace.events.tools import Role
from gotrace.trace.model import Build, BuildTarget, Span, Trace

_NOT_TOLD_BY_GO = frozenset({Role.GO, Role.OTHER, Role.TEST_BINARY})
"""Runs whose environment says nothing of go's settings: tests and the user's programs get the original one."""

_TOOL_FOLDER = re.compile(r"/pkg/tool/(?P<os>[a-z0-9]+)_(?P<arch>[a-z0-9]+)/[^/]+$")
"""Go's tools lie in a folder named after the machine they run on: pkg/tool/linux_amd64."""

_GOARCH_OF_MACHINE = {
    "x86_64": "amd64",
    "i686": "386",
    "aarch64": "arm64",
    "armv7l": "arm",
    "ppc64le": "ppc64le",
    "riscv64": "riscv64",
    "s390x": "s390x",
    "loongarch64": "loong64",
}
"""`machine` of uname(2) to GOARCH (internal/goarch of Go 1.26)."""

_OTHER_SETTINGS = frozenset({"CC", "CXX", "FC", "AR", "PKG_CONFIG"})


class Settings:
    """What one trace tells of the settings of its go commands."""

    def __init__(self, trace: Trace) -> None:
        self._goenv = [fact.data for fact in trace.facts_of("goenv")]
        self._host = _host(trace)
        self._users: dict[Span, frozenset[str]] = {}
        for span in trace.spans:
            if span.role is Role.GO:
                self._users[span] = self._set_by_user(span)

    def target_of(self, build: Build) -> BuildTarget:
        """The target of one build; what nothing tells stays None."""
        goenv = self._goenv_of(build)
        sources = (_tool_environment(build), _texts(goenv.get("values")), build.env)

        def setting(name: str) -> str | None:
            return next((values[name] for values in sources if values.get(name)), None)

        host_os, host_arch = self._host
        return BuildTarget(
            goos=setting("GOOS"),
            goarch=setting("GOARCH"),
            cgo_enabled={"1": True, "0": False}.get(setting("CGO_ENABLED") or ""),
            cc=setting("CC"),
            cxx=setting("CXX"),
            host_os=setting("GOHOSTOS") or host_os,
            host_arch=setting("GOHOSTARCH") or host_arch,
            explicit=self._users[build.span] | _names(goenv.get("written")),
        )

    def _goenv_of(self, build: Build) -> Mapping[str, Any]:
        return next((data for data in self._goenv if data.get("pid") == build.span.process.pid), {})

    def _set_by_user(self, span: Span) -> frozenset[str]:
        """Settings in a go command's environment that no go command above it had put there.

        Below another go command (go generate, go test, a switched toolchain) a variable is the user's if it was so
        above, or if somebody in between changed it.
        """
        own = _settings_in(span.exec.env)
        handed_down, outer = _handed_down(span)
        if outer is None:
            return frozenset(own)
        users_above = self._users[outer]
        return frozenset(name for name, value in own.items() if name in users_above or handed_down.get(name) != value)


def _handed_down(span: Span) -> tuple[Mapping[str, str], Span | None]:
    """The nearest go command above a span, and the environment it gave to what it started towards that span."""
    given = span
    for above in span.ancestors():
        if above.role is Role.GO:
            return given.exec.env or {}, above
        given = above
    return {}, None


def _settings_in(env: Mapping[str, str] | None) -> dict[str, str]:
    """Variables that go takes as settings; it takes an empty one for unset (cmd/go/internal/cfg, Getenv)."""
    return {
        name: value
        for name, value in (env or {}).items()
        if value and (name.startswith(("GO", "CGO_")) or name in _OTHER_SETTINGS)
    }


def _tool_environment(build: Build) -> Mapping[str, str]:
    """Environment of the first tool that this very go command ran and whose environment is known."""
    environments = (span.exec.env for span in build.spans if span.role not in _NOT_TOLD_BY_GO)
    return next((env for env in environments if env is not None and "GOARCH" in env), {})


def _host(trace: Trace) -> tuple[str | None, str | None]:
    """GOOS and GOARCH of the machine the go command runs on."""
    return next(_hosts(trace), (None, None))


def _hosts(trace: Trace) -> Iterator[tuple[str, str]]:
    for fact in trace.facts_of("goenv"):
        values = _texts(fact.data.get("values"))
        if values.get("GOHOSTOS") and values.get("GOHOSTARCH"):
            yield values["GOHOSTOS"], values["GOHOSTARCH"]
    for span in trace.spans:
        folder = _TOOL_FOLDER.search(span.exec.path)
        if folder is not None:
            yield folder["os"], folder["arch"]
    machine = _GOARCH_OF_MACHINE.get(str(trace.header.host.get("machine")))
    if machine is not None:
        yield "linux", machine


def _texts(values: object) -> dict[str, str]:
    """The texts of a mapping that came from a recording."""
    if not isinstance(values, dict):
        return {}
    return {str(name): value for name, value in values.items() if isinstance(value, str)}


def _names(values: object) -> frozenset[str]:
    return (
        frozenset(name for name in values if isinstance(name, str)) if isinstance(values, list | tuple) else frozenset()
    )
