"""Which Go, C compilers and helpers this machine has."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from gotrace.host.check import Check
from gotrace.host.distribution import package_command

_NAMES = ("gcc", "cc", "clang", "musl-gcc")
_CXX_NAMES = ("g++", "c++", "clang++", "gfortran")
_CROSS = re.compile(r"[a-z0-9_]+(?:-[a-z0-9_]+){1,3}-(?:gcc|clang)")
_CROSS_CXX = re.compile(_CROSS.pattern[:-1] + r"|g\+\+|clang\+\+|gfortran)")
_SECONDS = 5

_GO_PACKAGES = {"debian": "golang-go", "ubuntu": "golang-go", "fedora": "golang", "arch": "go"}
_GCC_PACKAGES = {"debian": "gcc libc6-dev", "ubuntu": "gcc libc6-dev", "fedora": "gcc", "arch": "gcc"}
_PKG_CONFIG_PACKAGES = {
    "debian": "pkg-config",
    "ubuntu": "pkg-config",
    "fedora": "pkgconf-pkg-config",
    "arch": "pkgconf",
}


def checks() -> list[Check]:
    """Go, C compilers with their targets, pkg-config."""
    return [_go(), *_compilers(), _pkg_config()]


def compilers_in(search: str, *, every_name: bool = False) -> Iterator[Path]:
    """C compilers in the folders of a PATH: the usual names, and cross compilers by their names' form.

    One file under several names is named once, by the first. With `every_name` each name counts, once for all folders
    as in a look-up, and those of C++ and Fortran compilers too.
    """
    seen: set[str] = set()
    folders = [Path(folder) for folder in search.split(os.pathsep) if folder]
    names, cross = ((*_NAMES, *_CXX_NAMES), _CROSS_CXX) if every_name else (_NAMES, _CROSS)
    usual = (found for name in names if (found := shutil.which(name, path=search)))
    for path in (*map(Path, usual), *(path for folder in folders for path in _cross_compilers(folder, cross))):
        same = path.name if every_name else os.path.realpath(path)
        if same not in seen:
            seen.add(same)
            yield path


def _cross_compilers(folder: Path, form: re.Pattern[str]) -> list[Path]:
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if form.fullmatch(entry.name))
    except OSError:
        return []
    return [folder / name for name in names if os.access(folder / name, os.X_OK)]


def _go() -> Check:
    path = shutil.which("go")
    if path is None:
        remedy = package_command(_GO_PACKAGES) or "Install Go: https://go.dev/doc/install"
        return Check("go", None, "not found in PATH: builds need it; `gotrace run` and `attach` do not", remedy)
    # A go.mod in the current folder may ask for another toolchain: never download one for a question.
    version = _ask([path, "version"], GOTOOLCHAIN="local")
    if version.text is None:
        return Check(
            "go",
            False,
            f"{path} does not answer `go version`{version.said}",
            "Mend what it says, until `go version` answers.",
        )
    return Check("go", True, f"{path}: {version.text.removeprefix('go version ')}")


def _compilers() -> list[Check]:
    paths = list(compilers_in(os.environ.get("PATH", os.defpath)))
    if not paths:
        remedy = package_command(_GCC_PACKAGES) or "Install a C compiler."
        return [Check("C compiler", False, "none found in PATH: cgo is off by default", remedy)]
    with ThreadPoolExecutor(4) as pool:
        targets = pool.map(lambda path: _ask([str(path), "-dumpmachine"]), paths)
    return [
        Check(
            "C compiler",
            target.text is not None,
            f"{path}: {target.text or f'does not say its target{target.said}'}",
        )
        for path, target in zip(paths, targets, strict=True)
    ]


def _pkg_config() -> Check:
    path = shutil.which("pkg-config")
    if path:
        return Check("pkg-config", True, path)
    detail = "not found in PATH: packages with `#cgo pkg-config` will not build"
    return Check("pkg-config", None, detail, package_command(_PKG_CONFIG_PACKAGES))


class _Answer(NamedTuple):
    """First line of what a tool answered; None where it gave none, and why, in its own or the system's words."""

    text: str | None
    said: str = ""


def _ask(argv: list[str], **env: str) -> _Answer:
    try:
        answer = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            env={**os.environ, "LC_ALL": "C", **env},
            check=False,
        )
    except OSError as error:
        return _Answer(None, f": {error.strerror}")
    except subprocess.TimeoutExpired:
        return _Answer(None, f" within {_SECONDS} seconds")
    first = answer.stdout.strip().partition("\n")[0]
    if answer.returncode == 0 and first:
        return _Answer(first)
    said = answer.stderr.strip().partition("\n")[0]
    return _Answer(None, f": {said}" if said else f": exit status {answer.returncode}")
