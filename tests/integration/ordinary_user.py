"""A user for one test run, with gotrace where that user can read it: the tests' own Python may lie below /root."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.integration.conftest import ROOT

Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class OrdinaryUser:
    """Somebody who is not root, and their copy of the command."""

    name: str
    uid: int
    gid: int
    home: Path
    gotrace: Path

    def run_as(self, *command: str | Path) -> list[str]:
        """The command line by which root runs a command as this user, with all their groups."""
        return ["setpriv", "--reuid", self.name, "--regid", self.name, "--init-groups", "--", *map(str, command)]

    def environment(self, **more: str) -> dict[str, str]:
        """What a login gives, and Go with nothing set."""
        go = shutil.which("go")
        folders = [str(self.home / "bin"), *([str(Path(go).parent)] if go else []), "/usr/bin", "/bin"]
        return {
            "PATH": os.pathsep.join(folders),
            "HOME": str(self.home),
            "USER": self.name,
            "LOGNAME": self.name,
            "SHELL": "/bin/sh",
            "TMPDIR": str(self.home),  # what a killed gotrace leaves goes away with it
            "LC_ALL": "C.UTF-8",
            "GOENV": "off",
            "GOTOOLCHAIN": "local",
        } | more

    def file(self, name: str, text: str, mode: int = 0o644) -> Path:
        """A file of theirs, in their home."""
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        for each in [path, *path.parents]:
            if each == self.home:
                break
            os.chown(each, self.uid, self.gid)
        return path


def run(user: OrdinaryUser, *command: str | Path, env: dict[str, str] | None = None) -> Done:
    """Run it as the user, in their home, on no terminal."""
    return subprocess.run(
        user.run_as(*command),
        env=env or user.environment(),
        cwd=user.home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        start_new_session=True,
    )


@contextlib.contextmanager
def ordinary_user() -> Iterator[OrdinaryUser]:
    """Make the user, a home and a readable copy of gotrace; all of it goes away again."""
    name = f"gotrace-{secrets.token_hex(4)}"
    with tempfile.TemporaryDirectory(prefix="gotrace-test-", dir="/var/tmp") as text:
        folder = Path(text)
        folder.chmod(0o755)
        group = f"{name}-2"
        subprocess.run(["groupadd", group], check=True)
        subprocess.run(["useradd", "-U", "-G", group, "-m", "-d", folder / "home", "-s", "/bin/sh", name], check=True)
        try:
            entry = pwd.getpwnam(name)
            yield OrdinaryUser(name, entry.pw_uid, entry.pw_gid, folder / "home", _readable_gotrace(folder / "gotrace"))
        finally:
            subprocess.run(["userdel", name], check=True)
            subprocess.run(["groupdel", group], check=True)


@contextlib.contextmanager
def may_use_sudo(user: OrdinaryUser, rule: str = "ALL=(ALL) NOPASSWD: ALL") -> Iterator[None]:
    """Let them use sudo, by a drop-in."""
    file = Path("/etc/sudoers.d") / user.name
    file.touch(0o440)
    file.write_text(f"{user.name} {rule}\n")
    try:
        yield
    finally:
        file.unlink()


def _everyone_may_read(path: Path) -> bool:
    return all(folder.stat().st_mode & 0o005 == 0o005 for folder in (path.resolve(), *path.resolve().parents))


def _readable(source: Path, into: Path, *left_out: str) -> Path:
    """`source`, or a copy of it where not everybody may enter it."""
    if _everyone_may_read(source):
        return source
    shutil.copytree(source, into, ignore=shutil.ignore_patterns(*left_out), symlinks=True)
    return into


def _readable_gotrace(folder: Path) -> Path:
    """A virtual environment with the checkout's gotrace, its dependencies, and a Python that everybody may execute."""
    folder.mkdir()
    python = Path(sys.executable).resolve()
    if not _everyone_may_read(python):
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        library = folder / "python" / "lib" / version
        shutil.copytree(
            sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix}),
            library,
            ignore=shutil.ignore_patterns("test", "tests", "site-packages", "config-*", "idlelib"),
        )
        (folder / "python" / "bin").mkdir()
        python = Path(shutil.copy(python, folder / "python" / "bin" / version))
    subprocess.run([python, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    packages = _readable(Path(sysconfig.get_path("purelib")), folder / "packages", "mypy*", "ruff*", "pytest*")
    checkout = folder / "checkout"
    shutil.copytree(ROOT / "gotrace", checkout / "gotrace")
    shutil.copytree(ROOT / "probes", checkout / "probes")
    shutil.copytree(ROOT / "scenarios", checkout / "scenarios")
    (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
    (site / "gotrace.pth").write_text(f"{checkout}\n{packages}\n")
    command = folder / "venv" / "bin" / "gotrace"
    command.write_text(f"#!{folder}/venv/bin/python\nfrom gotrace.cli.app import main\n\nmain()\n")
    command.chmod(0o755)
    return command
