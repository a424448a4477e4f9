"""Which packages of a build lost their cgo files because cgo was off."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from gotrace.capture.facts.asker import Asker, NoAnswerError
from gotrace.capture.facts.builds import GoBuild
from gotrace.capture.facts.found import Found, real, recorded
from gotrace.capture.facts.import_c import Position, find_import_c

_FIELDS = ("ImportPath", "Dir", "Standard", "GoFiles", "CgoFiles", "IgnoredGoFiles")
_SELECTING_FLAGS = ("tags", "mod", "modfile", "overlay", "compiler", "installsuffix", "race", "msan", "asan")
"""Flags of a build that decide which files and modules belong to it; go list knows them too."""

_FIRST_WITH_FIELDS = (1, 19)
"""`go list -json=Field,...`: Go 1.19's release notes."""
_FIRST_WITH_BUILDVCS = (1, 18)

_C_FILES_ALONE = "source files not allowed when not using cgo"
"""cmd/go/internal/load/pkg.go."""
_BLANKS = re.compile(r"\s*")

Package = Mapping[str, Any]


def matters(build: GoBuild, goenv: Found) -> bool:
    """Whether cgo may have been lost against the user's will: it was off, and the user did not ask for that.

    A build that failed without cgo is looked at in any case: that it needed cgo may be why. So is one that was refused
    for C files of a package without cgo: the Go file that uses them may have been left out.
    """
    if build.failed and _C_FILES_ALONE in build.image.process.text:
        return True
    if goenv.data["values"].get("CGO_ENABLED") != "0":
        return False
    explicit = bool(build.env.get("CGO_ENABLED")) or "CGO_ENABLED" in goenv.data["written"]
    return build.failed or not explicit


def ask_packages(asker: Asker, build: GoBuild, goenv: Found) -> list[Found]:
    """The `gopackage` facts of one build: its packages outside the standard library that have cgo files left out.

    Raises:
        NoAnswerError: the go command does not answer.
    """
    argv = question(build, goenv)

    def ask(cgo: str) -> dict[str, Package]:
        answer = asker.ask(argv, env=build.query_env(CGO_ENABLED=cgo), cwd=build.folder)
        return {import_path(package): package for package in parse_stream(answer)}

    # Both lists at once: each takes a go command some tens of milliseconds, and the user waits for the report.
    with ThreadPoolExecutor(2) as pool:
        as_built, with_cgo = pool.map(ask, ("0", "1"))
    facts = []
    for path, package in as_built.items():
        if not package.get("Standard"):
            found = _lost(path, package, with_cgo.get(path, {}), build.pid)
            facts += [found] if found else []
    return facts


def question(build: GoBuild, goenv: Found) -> list[str]:
    """The go list command with the build's own flags and packages."""
    version = _version(goenv.data["values"].get("GOVERSION", ""))
    argv = [build.path, "list", "-e", "-deps"]
    argv.append(f"-json={','.join(_FIELDS)}" if version >= _FIRST_WITH_FIELDS else "-json")
    if build.command.subcommand == "test":
        argv.append("-test")
    if version >= _FIRST_WITH_BUILDVCS:
        # Version control is asked for stamps that no question needs.
        argv.append("-buildvcs=false")
    for name in _SELECTING_FLAGS:
        if any(flag == name for flag, _ in build.command.flags):
            value = build.command.value(name)
            argv.append(f"-{name}" if value is None else f"-{name}={real(value)}")
    return [*argv, "--", *map(real, build.command.patterns)]


def parse_stream(text: str) -> Iterator[Package]:
    """The JSON objects that go list writes one after the other.

    Raises:
        NoAnswerError: it is something else.
    """
    decoder = json.JSONDecoder()
    at = _after_blanks(text, 0)
    while at < len(text):
        try:
            value, at = decoder.raw_decode(text, at)
        except ValueError as error:
            raise NoAnswerError("its answer is no JSON") from error
        if not isinstance(value, dict) or not isinstance(value.get("ImportPath"), str):
            raise NoAnswerError("its answer has another form than go list's")
        yield value
        at = _after_blanks(text, at)


def _after_blanks(text: str, at: int) -> int:
    blanks = _BLANKS.match(text, at)
    return blanks.end() if blanks else at


def import_path(package: Package) -> str:
    """Import path of a package; a variant that go test recompiles ("p [q.test]") is the package itself."""
    path: str = package["ImportPath"]
    return path.partition(" ")[0]


def _lost(path: str, as_built: Package, with_cgo: Package, pid: int) -> Found | None:
    """The fact of one package, or None where cgo makes no difference to it and nothing in it mentions cgo."""
    folder = Path(as_built.get("Dir") or "")
    cgo_files = names(with_cgo, "CgoFiles")
    positions = {name: at for name in [*cgo_files, *names(as_built, "IgnoredGoFiles")] if (at := _look(folder / name))}
    ignored = [name for name in names(as_built, "IgnoredGoFiles") if name in positions]
    if not cgo_files and not ignored:
        return None
    first = next((name for name in [*cgo_files, *ignored] if name in positions), None)
    data = {
        "dir": recorded(str(folder)),
        "standard": False,
        "cgo_files": cgo_files,
        "import_c": f"{first}:{positions[first].line}:{positions[first].column}" if first else None,
        "other_files": len(names(as_built, "GoFiles")),
        "ignored_cgo_files": ignored,
        "pid": pid,
    }
    return Found("gopackage", path, data, pid)


def _look(file: Path) -> Position | None:
    try:
        return find_import_c(file)
    except OSError:
        # A file that exists in an overlay only, or is gone by now.
        return None


def names(package: Package, field: str) -> list[str]:
    """A list of file names that go list gives for a package."""
    names = package.get(field) or []
    return [name for name in names if isinstance(name, str)]


def _version(text: str) -> tuple[int, int]:
    """(1, 26) of "go1.26.8"; (0, 0) where there is no number."""
    found = re.search(r"go(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)
