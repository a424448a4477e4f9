"""What `go env` says about a build, and which of it the user wrote down with `go env -w`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from gotrace.capture.facts.asker import Asker, NoAnswerError
from gotrace.capture.facts.builds import GoBuild
from gotrace.capture.facts.found import Found, recorded
from gotrace.capture.masks import mask_text

_OF_GO = (
    "GOOS GOARCH GOHOSTOS GOHOSTARCH GOVERSION GOROOT GOTOOLDIR GOFLAGS GOENV GOMOD GOWORK GOCACHE GOMODCACHE GOTMPDIR"
    " GOEXPERIMENT GO386 GOAMD64 GOARM GOARM64 GOMIPS GOMIPS64 GOPPC64 GORISCV64 GOWASM"
)
_OF_CGO = "CGO_ENABLED CC CXX FC AR PKG_CONFIG CGO_CPPFLAGS CGO_CFLAGS CGO_CXXFLAGS CGO_LDFLAGS"
KEYS = frozenset(f"{_OF_GO} {_OF_CGO}".split())
"""The variables that explain a build. The others of `go env` (proxies, private hosts, credentials) stay unrecorded."""

_GO_LINE = re.compile(r"^go[ \t]+(?P<version>\d[\w.]*)", re.MULTILINE)


def ask_go_env(asker: Asker, build: GoBuild) -> Found:
    """The `goenv` fact of one build.

    Raises:
        NoAnswerError: the go command does not answer.
    """
    answer = asker.ask(question(build), env=build.query_env(), cwd=build.folder)
    try:
        values = json.loads(answer)
    except ValueError as error:
        raise NoAnswerError("its answer is no JSON") from error
    if not isinstance(values, dict):
        raise NoAnswerError("its answer is no JSON object")
    kept = {key: mask_text(recorded(value)) for key, value in values.items() if key in KEYS and isinstance(value, str)}
    written = _written(values.get("GOENV"))
    data = {"values": kept, "written": written, "requires": required_lines(values), "pid": build.pid}
    return Found("goenv", recorded(build.path), data, build.pid)


def question(build: GoBuild) -> list[str]:
    """The command that asks it."""
    return [build.path, "env", "-json"]


def written_names(text: str) -> list[str]:
    """Names that a file of `go env -w` sets.

    The rules are those of readEnvFile in Go's src/cmd/go/internal/cfg: a name starts with an upper-case letter and
    ends at the first "="; every other line is a comment.
    """
    names = []
    for line in text.splitlines():
        name, equals, _ = line.partition("=")
        if equals and "A" <= name[:1] <= "Z":
            names.append(name)
    return sorted(set(names))


def required_lines(values: Mapping[str, object]) -> dict[str, str]:
    """The go lines of go.mod and go.work, which say what toolchain a build needs: {"go.mod": "1.21"}."""
    lines: dict[str, str] = {}
    for variable in ("GOMOD", "GOWORK"):
        file = Path(str(values.get(variable) or ""))
        if file.suffix not in (".mod", ".work"):
            continue  # "off", and /dev/null for no module at all
        try:
            found = _GO_LINE.search(file.read_text(encoding="utf-8", errors="replace"))
        except OSError:
            continue
        if found:
            lines[recorded(file.name)] = found["version"]
    return lines


def _written(file: object) -> list[str]:
    # The distribution's own defaults ($GOROOT/go.env) are another file: what stands there is not the user's wish.
    if not isinstance(file, str) or file in ("", "off"):
        return []
    try:
        return written_names(Path(file).read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return []
