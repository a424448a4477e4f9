"""Programs run inside environments of scenarios, as root or as an ordinary user."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gotrace.scenario.environments import space
from tests.integration.ordinary_user import ordinary_user

Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Who:
    """Somebody who enters environments."""

    uid: int
    python: Path
    """With gotrace in it, and readable for them."""
    as_them: tuple[str, ...]
    """The words by which this process starts a program as them."""
    work: Path
    """An act's folder of theirs."""

    def prefix(self, kind: str, settings: Mapping[str, Any]) -> list[str]:
        """The environment's words, with a Python that they may execute."""
        return [str(self.python) if w == sys.executable else w for w in space(kind).plan(settings, self.work).program()]

    def command(self, *words: str | Path) -> list[str]:
        """A program as them."""
        return [*self.as_them, *map(str, words)]

    def environment(self, **more: str) -> dict[str, str]:
        """No more than what a program needs."""
        go = shutil.which("go")
        path = os.pathsep.join([*([str(Path(go).parent)] if go else []), "/usr/bin", "/bin", "/usr/sbin", "/sbin"])
        return {"PATH": path, "HOME": str(self.work), "LC_ALL": "C.UTF-8", "TMPDIR": str(self.work)} | more

    def run(self, *words: str | Path, **env: str) -> Done:
        """Run it as them, in the act's folder."""
        return subprocess.run(
            self.command(*words),
            cwd=self.work,
            env=self.environment(**env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )

    def inside(self, kind: str, settings: Mapping[str, Any], *words: str | Path, **env: str) -> Done:
        """Run it inside an environment."""
        return self.run(*self.prefix(kind, settings), *words, **env)

    def lacks(self) -> str:
        """What they lack for namespaces and overlays, as the environments say it; empty where nothing does."""
        asked = (
            "from gotrace.scenario.environments.base import lacks_for; print(*lacks_for(network=True, overlay=True))"
        )
        done = self.run(self.python, "-P", "-c", asked)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@contextmanager
def somebody(kind: str, factory: pytest.TempPathFactory) -> Iterator[Who]:
    """`root`, or an `ordinary` user; skips the test where there is no such here, or they may not have namespaces."""
    is_root = os.geteuid() == 0
    if kind == "root" and not is_root:
        pytest.skip("needs root")
    if kind == "root" or not is_root:
        found = Who(os.geteuid(), Path(sys.executable), (), factory.mktemp(kind))
        _check(found)
        yield found
        return
    with ordinary_user() as user:
        work = user.home / "act"
        work.mkdir()
        os.chown(work, user.uid, user.gid)
        found = Who(user.uid, user.gotrace.parent / "python", tuple(user.run_as()), work)
        _check(found)
        yield found


def _check(who: Who) -> None:
    if lacks := who.lacks():
        pytest.skip(lacks)


def needed_by(program: str) -> dict[str, str]:
    """The libraries and the loader of a program, each as {path: path}."""
    printed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return {path: path for path in re.findall(r"(/\S+) \(0x", printed)}
