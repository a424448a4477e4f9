"""apt in an overlay: packages are removed and installed there, and nobody is asked; what it fetches is kept."""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

import msgspec

from gotrace.scenario.loader import ScenarioError
from gotrace.scenario.plan import Plan

FOLDER: Final = Path("/var/cache/gotrace/apt")
"""Package lists and packages, of one run for the next. Only root may write there: what is in them runs as root."""
INSIDE: Final = "/var/cache/gotrace-apt"
"""Where an overlay has that folder."""
_FRESH_S: Final = 3 * 86400
"""Older lists name packages that the archive has replaced since."""
_PATIENCE_S: Final = 900
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_REASON: Final = re.compile(r"^(?:E: |dpkg: error).*", re.MULTILINE)
_NOT_FETCHED: Final = re.compile(r"^(?:W: Failed to fetch|E:).*", re.MULTILINE)

TEXTS: Final = MappingProxyType(
    {
        "/etc/apt/apt.conf.d/zz-gotrace": f"""\
// Hooks speak to services of this machine, or throw away what was fetched.
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
#clear DPkg::Pre-Install-Pkgs;
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Dir::State::lists "{INSIDE}/lists/";
Dir::Cache::archives "{INSIDE}/archives/";
Dir::Cache::pkgcache "{INSIDE}/pkgcache.bin";
Dir::Cache::srcpkgcache "{INSIDE}/srcpkgcache.bin";
APT::Keep-Downloaded-Packages "true";
APT::Get::List-Cleanup "false";
Acquire::Retries "2";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
DPkg::Options {{ "--force-confdef"; "--force-confold"; "--force-unsafe-io"; }};
""",
        "/usr/sbin/policy-rc.d": "#!/bin/sh\n# No service is started.\nexit 101\n",
    }
)
"""Files of an overlay in which apt is to work so: path -> what it holds."""

HIDDEN: Final = (Path("/var/lib/man-db/auto-update"), Path("/run/systemd/system"))
"""Without the first, no installation makes the index of manual pages anew, which takes seconds; without the second
(sd_booted(3)) none asks this machine's systemd for anything."""


@dataclass(frozen=True, slots=True)
class Apt:
    """apt in one overlay."""

    plan: Plan
    """How root enters it."""

    def remove(self, names: Sequence[str]) -> None:
        """Remove packages, with all that depend on them; those that are not installed are not missed.

        Raises:
            ScenarioError: apt-get or dpkg refuses; their reason is told.
        """
        asked = self._run(["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\n", *names])
        there = [line.split()[1] for line in asked.stdout.splitlines() if line.startswith("installed ")]
        if not there:
            return
        command = ["apt-get", "remove", "-y", *there]
        with _alone() as lock:
            self._check(command, self._run(command, lock))

    def perform(self, command: Sequence[str]) -> None:
        """Run a command that installs packages, word by word, with package lists that are not too old.

        Raises:
            ScenarioError: it failed; the reason is told, also that the lists could not be fetched.
        """
        with _alone() as lock:
            fresh = _lists_are_fresh()
            missed = "" if fresh else self._update(lock)
            done = self._run(command, lock)
            if done.returncode and fresh:
                missed = self._update(lock)
                done = self._run(command, lock)
            self._check(command, done, missed)

    def _update(self, lock: int) -> str:
        """Fetch the package lists; empty, or why that failed."""
        done = self._run(["apt-get", "update"], lock)
        missed = _NOT_FETCHED.search(done.stdout)
        if missed is None and not done.returncode:
            (FOLDER / "updated").touch()
            self._run(["apt-get", "autoclean", "-y"], lock)
            return ""
        return missed[0] if missed else f"exit status {done.returncode}"

    def _run(self, command: Sequence[str], lock: int | None = None) -> subprocess.CompletedProcess[str]:
        """The command as root in the overlay. It holds the lock as long as it lives, whoever else is gone."""
        inside = msgspec.structs.replace(self.plan, with_parent=True)
        env = {**os.environ, "PATH": _PATH, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
        try:
            return subprocess.run(
                [*inside.program(), *command],
                env=env, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True, errors="backslashreplace", timeout=_PATIENCE_S, check=False,
                pass_fds=[] if lock is None else [lock],
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise ScenarioError(
                f"environment overlay: {shlex.join(command)}: not done in {_PATIENCE_S} seconds"
            ) from None

    @staticmethod
    def _check(command: Sequence[str], done: subprocess.CompletedProcess[str], missed: str = "") -> None:
        if done.returncode:
            reason = _REASON.search(done.stdout) or re.search(r"[^\n]*\Z", done.stdout.strip())
            because = f"; apt-get update: {missed}" if missed else ""
            raise ScenarioError(
                f"environment overlay: {shlex.join(command)}: exit status {done.returncode}: "
                f"{reason[0] if reason else ''}{because}"
            )


def ready() -> Path:
    """The folder that is kept, made where there is none.

    Raises:
        ScenarioError: it cannot be made, or somebody else than root could write there.
    """
    try:
        FOLDER.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (FOLDER.parent, FOLDER, FOLDER / "lists", FOLDER / "archives"):
            folder.mkdir(mode=0o755, exist_ok=True)
            status = folder.lstat()
            if status.st_uid != os.geteuid() or status.st_mode & 0o022:
                raise ScenarioError(
                    f"environment overlay: others could write in {folder}", f"remove it: rm -r {folder}"
                )
    except OSError as error:
        raise ScenarioError(f"environment overlay: {error.filename}: {error.strerror}") from None
    return FOLDER


@contextmanager
def _alone() -> Iterator[int]:
    """One at a time, of all processes of this machine: apt-get does not wait for another, and fails."""
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()


def _lists_are_fresh() -> bool:
    try:
        return 0 <= time.time() - (FOLDER / "updated").stat().st_mtime < _FRESH_S
    except OSError:
        return False
