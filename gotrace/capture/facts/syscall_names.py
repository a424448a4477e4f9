"""For which systems package syscall has the names that a failed build missed in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from gotrace.capture.facts.builds import GoBuild
from gotrace.capture.facts.found import Found, real, recorded

_UNDEFINED = re.compile(r"undefined: syscall\.(\w+)")
_MOST_NAMES = 64
_OF_UNIX = re.compile(rb"^//go:build [^\n]*\bunix\b", re.MULTILINE)
_SYSTEMS = frozenset(
    {"aix", "android", "darwin", "dragonfly", "freebsd", "illumos", "ios", "js", "linux", "netbsd", "openbsd", "plan9"}
    | {"solaris", "wasip1", "windows"}
)
"""Of internal/syslist in Go's own sources those that package syscall has files for."""


def syscall_name_facts(build: GoBuild, settings: Mapping[str, str]) -> Iterator[Found]:
    """A `syscall_names` fact of one failed build, from Go's own sources. `settings` are those of `go env`."""
    names = list(dict.fromkeys(_UNDEFINED.findall(build.image.process.text)))[:_MOST_NAMES]
    if not names or not settings.get("GOROOT"):
        return
    folder = Path(real(settings["GOROOT"]), "src", "syscall")
    systems = {name: sorted(found) for name, found in declared(folder, names).items()}
    yield Found("syscall_names", recorded(str(folder)), {"systems": systems, "pid": build.pid}, build.pid)


def declared(folder: Path, names: list[str]) -> dict[str, set[str]]:
    """The systems for whose files a package declares each name; "unix" for a file of all of these."""
    any_of = "|".join(map(re.escape, names)).encode()
    # At the margin, or in a block of constants: `NAME = 1`, `NAME uint32 = 1`, `NAME`.
    form = rb"^(?:(?:func|type|var|const) (?=(?:%s)\b)|\t(?=(?:%s)(?:(?:[ \t]+[\w.]+)?[ \t]+=|$)))(\w+)"
    wanted = re.compile(form % (any_of, any_of), re.MULTILINE)
    found: dict[str, set[str]] = {name: set() for name in names}
    for path in sorted(folder.glob("*.go")):
        if path.name.endswith("_test.go"):
            continue
        with suppress(OSError):
            source = path.read_bytes()
            system = _system(path, source)
            for name in wanted.findall(source) if system else ():
                found[name.decode()].add(system)
    return found


def _system(path: Path, source: bytes) -> str:
    """The system that a file is for, by its name (go help buildconstraint) or its constraint; empty: not one alone."""
    words = path.stem.split("_")[1:][-2:]
    named = next((word for word in words if word in _SYSTEMS), "")
    return named or ("unix" if _OF_UNIX.search(source[:4096]) else "")
