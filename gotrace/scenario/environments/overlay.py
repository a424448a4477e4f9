"""This machine in an overlay: files and packages are really removed and installed in it, and nothing of it stays.

All file systems are as they are, and what is written to them lies in memory; only /proc, /dev, /sys, the act's folder
and the build cache are the real ones. All that an act runs is in one overlay: first `remove` and `install`, as root,
then its `setup` lines, the traced command and the `after` lines, as whoever runs the scenario.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final, Literal

import msgspec

from gotrace.scenario import apt, keeper
from gotrace.scenario.environments.base import Settings, checked
from gotrace.scenario.plan import SET_UP_FAILED, Overlay, Plan

_PATIENCE_S: Final = 30
_ALL_USERS: Final = ["0", "0", "4294967295"]
"""/proc/self/uid_map where root is root (user_namespaces(7))."""


class _Overlay(msgspec.Struct, forbid_unknown_fields=True):
    """`remove` and `install` take a Debian or an Ubuntu."""

    hide: list[str] = []
    """Files and folders that are removed: paths, patterns, names of commands, as in `mount`."""
    texts: dict[str, str] = {}
    """Path -> content; what begins with #! can be executed."""
    remove: list[str] = []
    """Packages that are removed, with what depends on them, where they are installed."""
    install: list[str] | Literal["printed"] = []
    """Packages; or "printed": the command that gotrace printed in the reproduction is performed, word by word."""
    holding: str = "apt-get install"
    """Which of them: the first that holds this."""


class _Space:
    kind = "overlay"
    around_command = False

    def lacks(self, settings: Settings) -> list[str]:
        given = checked(self.kind, settings, _Overlay)
        no_apt = _has_packages(given) and shutil.which("apt-get") is None
        return [*(["apt-get is missing: run it on a Debian or an Ubuntu"] if no_apt else []), *_lacks_rights()]

    def plan(self, settings: Settings, work: Path) -> Plan:
        given = checked(self.kind, settings, _Overlay)
        packages = _has_packages(given)
        overlay = Overlay(
            keep=["$WORK", "$GOCACHE", str(work.parent / "recordings")],
            bind={apt.INSIDE: str(apt.ready())} if packages else {},
        )
        hide = [*given.hide, *(str(path) for path in apt.HIDDEN if packages and path.exists())]
        texts = {**(apt.TEXTS if packages else {}), **given.texts}
        return Plan(mount=True, overlay=overlay, hide=hide, texts=texts).for_work(work)

    @contextmanager
    def opened(
        self, settings: Settings, work: Path, env: Mapping[str, str], printed: Callable[[str], Sequence[str]]
    ) -> Iterator[Plan]:
        given = checked(self.kind, settings, _Overlay)
        command = _installs(given, printed)
        with keeper.kept(self.kind, self.plan(settings, work), env) as plan:
            packages = apt.Apt(plan)
            if given.remove:
                packages.remove(given.remove)
            if command:
                packages.perform(command)
            yield plan


def _has_packages(given: _Overlay) -> bool:
    return bool(given.remove or given.install)


def _installs(given: _Overlay, printed: Callable[[str], Sequence[str]]) -> tuple[str, ...]:
    """The command that installs; without sudo, because root performs it."""
    if given.install == "printed":
        command = tuple(printed(given.holding))
        return command[1:] if command[0] == "sudo" else command
    return ("apt-get", "install", "-y", *given.install) if given.install else ()


def _lacks_rights() -> list[str]:
    if os.geteuid() != 0 or Path("/proc/self/uid_map").read_text().split() != _ALL_USERS:
        return ["needs root, to install packages in an overlay of this machine: run it as root or through sudo"]
    reason = _tried()
    return [f"needs root that may mount an overlay: {reason}"] if reason else []


@cache
def _tried() -> str:
    """Empty, or why no overlay of this machine can be had in which files are given to other users, as dpkg does."""
    plan = Plan(mount=True, overlay=Overlay())
    try:
        done = subprocess.run(
            [*plan.program(), "chown", "1:1", "/etc"], capture_output=True, text=True, timeout=_PATIENCE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == SET_UP_FAILED:
        return done.stderr.strip().rpartition("cannot be set up: ")[2]
    return "" if done.returncode == 0 else "this root may only in a user namespace, where no other user has files"


SPACE = _Space()
