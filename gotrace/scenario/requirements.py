"""What a scenario requires that this machine does not have, and how to get it."""

from __future__ import annotations

import os
import posixpath
import shutil
import tomllib
from collections.abc import Callable, Iterable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, NamedTuple

from gotrace.host.distribution import distribution
from gotrace.host.security_modules import landlock_version
from gotrace.rules import packages

_INCLUDE: Final = "/usr/include/"
_LIBRARY_SUFFIXES: Final = (".so", ".a")
_OF_THE_KERNEL: Final[dict[str, tuple[Callable[[], int], str]]] = {
    "kernel:landlock": (
        landlock_version,
        "boot a kernel built with CONFIG_SECURITY_LANDLOCK, and with landlock in lsm=",
    ),
}
"""What no package brings: how it is found out, and what to do."""


class Requirement(NamedTuple):
    """Something that is missing."""

    name: str
    """The command, the file, or what the kernel has to have."""
    how: str
    """What to do, as a sentence or a command."""
    package: str = ""
    """Of the distribution; empty where none is known to have it."""


def missing_of(requires: Iterable[str]) -> list[Requirement]:
    """Of commands, absolute paths of files, and features of the kernel (`kernel:landlock`), those that are not here.

    Each once and in order.
    """
    return [_requirement(name) for name in dict.fromkeys(requires) if not _is_there(name)]


def to_install(missing: Iterable[Requirement]) -> list[str]:
    """The packages that would bring what is missing, each once; what has no package is left out."""
    return list(dict.fromkeys(lack.package for lack in missing if lack.package))


def install_command(names: Iterable[str]) -> list[str]:
    """The command that installs packages here; through sudo where this is not root; empty for none."""
    wanted = list(names)
    if not wanted:
        return []
    return [*([] if os.geteuid() == 0 else ["sudo"]), "apt-get", "install", "--yes", "--no-install-recommends", *wanted]


def package_of(name: str) -> str:
    """The package of this distribution that has a command or a file (absolute path); empty where none is known."""
    if not {"debian", "ubuntu"}.intersection(distribution().family):
        return ""
    if not name.startswith("/"):
        return str(_data()["debian"].get(name, ""))
    return _package_of_file(name)


def _package_of_file(path: str) -> str:
    name = posixpath.basename(path)
    stem, suffix = posixpath.splitext(name)
    found: tuple[packages.Package, ...] = ()
    if path.startswith(_INCLUDE):
        relative = path.removeprefix(_INCLUDE)
        found = next((one.packages for one in packages.holders_of_header(relative) if one.folder == "include"), ())
    elif suffix in _LIBRARY_SUFFIXES and stem.startswith("lib"):
        found = packages.packages_of_library(stem.removeprefix("lib"), archive=suffix == ".a")
    elif suffix == ".pc":
        found = packages.packages_of_pkg_config(stem)
    elif posixpath.dirname(path) in ("/usr/bin", "/bin", "/usr/sbin", "/sbin"):
        return str(_data()["debian"].get(name, ""))
    return found[0].name if len(found) == 1 else ""


def _requirement(name: str) -> Requirement:
    if name in _OF_THE_KERNEL:
        return Requirement(name, _OF_THE_KERNEL[name][1])
    package = package_of(name)
    if package:
        return Requirement(name, f"apt-get install {package}", package)
    told = _data()["elsewhere"].get(name)
    if told:
        return Requirement(name, told)
    return Requirement(name, f"have the file {name}" if name.startswith("/") else f"have a command {name} on PATH")


def _is_there(name: str) -> bool:
    if name in _OF_THE_KERNEL:
        return bool(_OF_THE_KERNEL[name][0]())
    return Path(name).exists() if name.startswith("/") else shutil.which(name) is not None


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads(files("gotrace.scenario").joinpath("data/commands.toml").read_text(encoding="utf-8"))
