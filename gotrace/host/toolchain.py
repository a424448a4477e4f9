"""Which Go, C compilers and helpers this machine has."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gotrace.host.check import Check
from gotrace.host.distribution import package_command

_NAMES = ("gcc", "cc", "clang", "musl-gcc")
_CROSS = re.compile(r"[a-z0-9_]+(?:-[a-z0-9_]+){1,3}-(?:gcc|clang)")
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


def compilers_in(search: str) -> Iterator[Path]:
    """C compilers in the folders of a PATH: the usual names, and cross compilers by their names' form.

    One file under several names is named once, by the first.
    """
    seen: set[str] = set()
    folders = [Path(folder) for folder in search.split(os.pathsep) if folder]
    usual = (found for name in _NAMES if (found := shutil.which(name, path=search)))
    for path in (*map(Path, usual), *(path for folder in folders for path in _cross_compilers(folder))):
        whole = os.path.realpath(path)
        if whole not in seen:
            seen.add(whole)
            yield path


def _cross_compilers(folder: Path) -> list[Path]:
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if _CROSS.fullmatch(entry.name))
    except OSError:
        return []
    return [folder / name for name in names if os.access(folder / name, os.X_OK)]


def _go() -> Check:
    path = shutil.which("go")
    if path is None:
        remedy = package_command(_GO_PACKAGES) or "Install Go: https://go.dev/doc/install"
        return Check("go", False, "not found in PATH", remedy)
    # A go.mod in the current folder may ask for another toolchain: never download one for a question.
    version = _ask([path, "version"], GOTOOLCHAIN="local")
    if version is None:
        return Check("go", False, f"{path} does not answer `go version`")
    return Check("go", True, f"{path}: {version.removeprefix('go version ')}")


def _compilers() -> list[Check]:
    paths = list(compilers_in(os.environ.get("PATH", os.defpath)))
    if not paths:
        remedy = package_command(_GCC_PACKAGES) or "Install a C compiler."
        return [Check("C compiler", False, "none found in PATH: cgo is off by default", remedy)]
    with ThreadPoolExecutor(4) as pool:
        targets = pool.map(lambda path: _ask([str(path), "-dumpmachine"]), paths)
    return [
        Check("C compiler", target is not None, f"{path}: {target or 'does not say its target'}")
        for path, target in zip(paths, targets, strict=True)
    ]


def _pkg_config() -> Check:
    path = shutil.which("pkg-config")
    if path:
        return Check("pkg-config", True, path)
    detail = "not found in PATH: packages with `#cgo pkg-config` will not build"
    return Check("pkg-config", None, detail, package_command(_PKG_CONFIG_PACKAGES))


def _ask(argv: list[str], **env: str) -> str | None:
    """First line of a tool's answer, or None where it gives none."""
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
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip().partition("\n")[0] or None if answer.returncode == 0 else None
