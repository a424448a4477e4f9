"""A build as another user, who need not be able to read Python or gotrace: all was loaded before root was given up."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.build_caches import fill
from tests.integration.projects import HEADER, go_module

pytestmark = pytest.mark.root("only root can become somebody else")

GUARDED = """
import os, sys
from gotrace.capture import privileges
from gotrace.cli import preload
from gotrace.cli.app import main

log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT, 0o666)
really_become = privileges.become
known = set()


def guard(event, args):
    if event == "import" and args[0] not in known:
        os.write(log, f"{args[0]}\\n".encode())
        raise ImportError(f"{args[0]} is imported too late")


def become(who):
    really_become(who)
    known.update(sys.modules)
    sys.addaudithook(guard)


privileges.become = become
preload.readable = lambda: False
main(sys.argv[2:])
"""


@pytest.fixture
def nobodys() -> Iterator[Path]:
    """A folder of the user nobody, with a program that lacks a header."""
    entry = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory(prefix="gotrace-test-", dir="/var/tmp") as text:
        folder = Path(text)
        go_module(folder / "app", {"main.go": HEADER.format()})
        for path in (folder, *folder.rglob("*")):
            os.chown(path, entry.pw_uid, entry.pw_gid)
        fill(folder / "cache", entry.pw_uid, entry.pw_gid)
        yield folder


def test_a_failing_build_as_nobody_is_wholly_told(
    nobodys: Path, build_env: dict[str, str], tool: Callable[[str], str]
) -> None:
    tool("go")
    log, report = nobodys / "imports", nobodys / "report.json"
    done = subprocess.run(
        [
            *(sys.executable, "-c", GUARDED, log, "build", "--user", "nobody", "--report", f"json:{report}"),
            *("-o", nobodys / "x.gotrace.zst", "--", "go", "build", "."),
        ],
        cwd=nobodys / "app",
        env=build_env | {"GOCACHE": str(nobodys / "cache"), "FORCE_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    told = json.loads(report.read_text())
    assert done.returncode == 1
    assert [finding["name"] for finding in told["findings"]] == ["missing-header"], done.stderr
    assert (told["not_evaluated"], told["degraded"]) == ([], [])
    assert log.read_text() == ""
    assert (report.stat().st_uid, (nobodys / "x.gotrace.zst").stat().st_uid) == (pwd.getpwnam("nobody").pw_uid,) * 2
    shutil.rmtree(nobodys / "cache")
