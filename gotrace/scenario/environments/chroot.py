"""Another distribution's files: a suite of Debian or Ubuntu that debootstrap(8) fetched, or a folder of one's own.

Read-only, but for the act's folder, the build cache, and /tmp. The host's Go is there at its own path. gotrace runs
outside; of its facts afterwards it has those that the suite's files tell, and none that a program of it would have to.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import msgspec

from gotrace.scenario import suites
from gotrace.scenario.environments.base import Settings, checked, lacks_for
from gotrace.scenario.loader import ScenarioError
from gotrace.scenario.plan import Plan, Root

_PATH: Final = "/usr/sbin:/usr/bin:/sbin:/bin"
_SECONDS: Final = 20


class _Chroot(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    """A suite (bullseye), or the absolute path of a folder."""
    include: tuple[str, ...] = ("gcc", "libc6-dev")
    """Packages beside the essential ones, of a suite."""
    mirror: str = ""
    """Where debootstrap fetches from, if not from where it does by itself."""
    bind: list[str] = []
    """Folders of this machine that are there too, beside the act's and the cache's."""
    texts: dict[str, str] = {}
    """Path inside -> content of a file there, in place of what the suite has."""


class _Space:
    kind = "chroot"
    around_command = True

    def lacks(self, settings: Settings) -> list[str]:
        given = checked(self.kind, settings, _Chroot)
        if "/" in given.name or "$" in given.name:
            return lacks_for(overlay=True)
        return [*suites.lacks(_suite(given)), *lacks_for(overlay=True)]

    def plan(self, settings: Settings, work: Path) -> Plan:
        given = checked(self.kind, settings, _Chroot)
        folder = given.name if "/" in given.name or "$" in given.name else str(suites.ready(_suite(given)))
        if not folder.startswith(("/", "$")):
            raise ScenarioError(f"environment chroot: {folder!r} is neither a suite nor an absolute path")
        go = _goroot()
        plan = Plan(
            mount=True,
            root=Root(folder=folder, bind=["$WORK", "$GOCACHE", *go, *given.bind]),
            texts={f"{folder}{path}": text for path, text in given.texts.items()},
            variables={"PATH": os.pathsep.join([*(f"{root}/bin" for root in go), _PATH])},
        )
        return plan.for_work(work)


def _suite(given: _Chroot) -> suites.Suite:
    return suites.Suite(given.name, tuple(sorted(given.include)), given.mirror)


def _goroot() -> list[str]:
    """The root of the Go that PATH has, if any."""
    go = shutil.which("go")
    if go is None:
        return []
    try:
        asked = subprocess.run(
            [go, "env", "GOROOT"], capture_output=True, text=True, timeout=_SECONDS, check=False, cwd="/"
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [root] if (root := asked.stdout.strip()) else []


SPACE = _Space()
