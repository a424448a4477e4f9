"""Root folders of Debian's and Ubuntu's suites, fetched once by debootstrap(8) and kept."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gotrace.host.folders import cache_folder
from gotrace.scenario.loader import ScenarioError
from gotrace.scenario.plan import Plan
from gotrace.scenario.requirements import missing_of

_PATIENCE_S: Final = 1800
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.+-]*")
_ALL_USERS: Final = Path("/var/lib/gotrace/chroots")
"""Root's, which every user may enter; /var/cache/gotrace is closed to them."""


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite with the packages that it has to have."""

    name: str
    include: tuple[str, ...]
    mirror: str = ""

    @property
    def folder(self) -> str:
        """Name of the folder it is kept in: bullseye+gcc+libc6-dev."""
        return "+".join([self.name, *self.include])


def lacks(suite: Suite) -> list[str]:
    """What is missing to have it: nothing where it is kept already.

    Raises:
        ScenarioError: it is no suite's name, or no package's.
    """
    if _kept(suite) is not None:
        return []
    missing = [f"{lack.name} is missing: {lack.how}" for lack in missing_of(["debootstrap"])]
    if os.geteuid() != 0:
        missing.append(f"needs root once, to fetch {suite.name} by debootstrap: run this scenario as root")
    return missing


def ready(suite: Suite) -> Path:
    """The root folder, fetched now where it is not kept: that takes minutes. One process fetches, others wait.

    Raises:
        ScenarioError: it cannot be fetched.
    """
    kept = _kept(suite)
    if kept is not None:
        return kept
    place = _places()[0]
    try:
        place.mkdir(parents=True, exist_ok=True)
        with (place / f".{suite.folder}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return _kept(suite) or _fetched(suite, place)
    except OSError as error:
        raise ScenarioError(f"environment chroot: {error.filename or place}: {error.strerror}") from None


def _places() -> list[Path]:
    """Folders that roots are kept in: where this user would put one, then where root puts them."""
    everybodys = os.geteuid() == 0 and not os.environ.get("XDG_CACHE_HOME")
    return [_ALL_USERS] if everybodys else [cache_folder() / "chroots", _ALL_USERS]


def _kept(suite: Suite) -> Path | None:
    for word in (suite.name, *suite.include):
        if not _NAME.fullmatch(word):
            raise ScenarioError(f"environment chroot: {word!r} is no name of a suite or a package")
    found = (place / suite.folder for place in _places())
    return next((folder for folder in found if (folder / "etc").is_dir()), None)


def _fetched(suite: Suite, place: Path) -> Path:
    for left in place.glob(f".{suite.folder}-*"):  # by one that was killed: the lock is ours, so nobody uses it
        shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{suite.folder}-", dir=place))
    packages = [f"--include={','.join(suite.include)}"] if suite.include else []
    fetch = ["debootstrap", "--variant=minbase", *packages, suite.name, str(folder)]
    fetch += [suite.mirror] if suite.mirror else []
    # In a mount namespace of its own: what it mounts goes with it, also if it is killed.
    try:
        done = subprocess.run(
            [*Plan(mount=True, with_parent=True).program(), *fetch],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=_PATIENCE_S, check=False,
        )  # fmt: skip
        if done.returncode:
            last = " ".join(done.stdout.strip().splitlines()[-2:])
            raise ScenarioError(
                f"environment chroot: debootstrap cannot fetch {suite.name}: {last}",
                f"see what it says: {' '.join(fetch)}",
            )
        folder.chmod(0o755)
        return folder.rename(place / suite.folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
