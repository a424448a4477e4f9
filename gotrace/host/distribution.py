"""Which system this is: distribution, kernel, machine and libc."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

OS_RELEASE = (Path("/etc/os-release"), Path("/usr/lib/os-release"))
_APT_LISTS = Path("/var/lib/apt/lists")
_MUSL_LOADERS = "ld-musl-*.so.1"
_SECONDS = 2


class Distribution(NamedTuple):
    """What os-release(5) says; empty texts where it says nothing."""

    id: str = ""
    """Lower case, as in "debian"."""
    version: str = ""
    """VERSION_ID: "12", "24.04"."""
    codename: str = ""
    like: tuple[str, ...] = ()
    """Ids of the distributions it derives from, nearest first."""

    @property
    def family(self) -> tuple[str, ...]:
        """Its own id and those of its ancestors."""
        return (self.id, *self.like)


def parse_os_release(text: str) -> Distribution:
    """Read an os-release file: lines of shell assignments. Lines of another form are passed over (os-release(5))."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        if not equals or name.startswith("#"):
            continue
        try:
            words = shlex.split(value)
        except ValueError:
            continue
        values[name] = words[0] if words else ""
    return Distribution(
        id=values.get("ID", "linux"),  # the manual's default
        version=values.get("VERSION_ID", ""),
        codename=values.get("VERSION_CODENAME", ""),
        like=tuple(values.get("ID_LIKE", "").split()),
    )


@cache
def distribution() -> Distribution:
    """The distribution of this machine; empty where it does not say."""
    for path in OS_RELEASE:
        try:
            return parse_os_release(path.read_text(encoding="utf-8", errors="replace"))
        except OSError:
            continue
    return Distribution()


@cache
def libc() -> str:
    """The system's C library with its version ("glibc 2.36", "musl 1.2.5"), or empty where it cannot be told."""
    try:
        # Answered by the C library that runs this very process (confstr(3)); musl does not know the name.
        answer = os.confstr("CS_GNU_LIBC_VERSION")
    except (ValueError, OSError):
        answer = None
    return answer or _musl()


def host_facts() -> dict[str, str]:
    """This machine as a recording's header has it; `package_lists` is "none" where apt would find no package yet."""
    uname, system = os.uname(), distribution()
    lists = {"package_lists": "none"} if _lacks_package_lists() else {}
    return lists | {
        "machine": uname.machine,
        "kernel": uname.release,
        "distribution": system.id,
        "distribution_version": system.version,
        "distribution_codename": system.codename,
        "libc": libc(),
    }


def _lacks_package_lists() -> bool:
    """Images are made smaller by leaving apt's lists out: nothing can be installed before `apt-get update`."""
    return _APT_LISTS.is_dir() and not any("_Packages" in path.name for path in _APT_LISTS.iterdir())


def package_command(packages: Mapping[str, str]) -> str:
    """The command that installs something here; `packages` gives its name for each distribution it is known of.

    Empty where no name is known for this distribution: a guessed package would send the user astray.
    """
    commands = {"debian": "apt-get install", "ubuntu": "apt-get install", "fedora": "dnf install", "arch": "pacman -S"}
    for name in distribution().family:
        if name in packages and name in commands:
            return f"{commands[name]} {packages[name]}"
    return ""


def _musl() -> str:
    """Musl's version: its loader, run without arguments, prints it to stderr (ldso/dynlink.c)."""
    for loader in sorted(Path("/lib").glob(_MUSL_LOADERS)):
        try:
            answer = subprocess.run([loader], capture_output=True, text=True, timeout=_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired):
            continue
        found = re.search(r"^Version (\S+)", answer.stderr, re.MULTILINE)
        return f"musl {found[1]}" if found else "musl"
    return ""
