"""Files and ports that real Landlock refuses, and those that their modes do: told apart by both sources, for all users.

The kernel's own check is asked, so that nothing here depends on how a mode is read.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gotrace.host import security_modules
from tests.integration.conftest import ROOT
from tests.integration.ordinary_user import OrdinaryUser, ordinary_user

pytestmark = pytest.mark.root("only root can make a user to try it with")
RULE = "refused-by-security-module"
SOURCE = ROOT / "tests" / "integration" / "programs" / "confined.c"


@pytest.fixture(scope="module", autouse=True)
def _landlock() -> None:
    if not security_modules.landlock_version():
        pytest.skip("this kernel has no Landlock: boot one with landlock in lsm=")


@pytest.fixture(scope="module")
def somebody() -> Iterator[OrdinaryUser]:
    with ordinary_user() as user:
        yield user


@pytest.fixture(scope="module")
def place(somebody: OrdinaryUser) -> Path:
    """A folder of theirs: the program, what it may use, what it may not, and what its mode refuses."""
    folder = somebody.home / "place"
    for name in ("allowed", "outside", "closed"):
        (folder / name).mkdir(parents=True)
        (folder / name / "file").write_text("text\n")
    (folder / "outside" / "script").write_text("#!/bin/sh\n")
    subprocess.run(["gcc", "-O2", "-o", folder / "confined", SOURCE], check=True)
    subprocess.run(["chown", "-R", f"{somebody.uid}:{somebody.gid}", folder], check=True)
    subprocess.run(["chmod", "-R", "go=", folder / "outside"], check=True)  # nobody but they
    (folder / "outside" / "script").chmod(0o700)
    (folder / "closed").chmod(0o000)
    return folder


def findings(somebody: OrdinaryUser, place: Path, backend: str, *words: str, status: int = 1) -> list[dict[str, Any]]:
    """Of one run: as the user by ptrace, as root by eBPF."""
    report = place / "report.json"
    report.unlink(missing_ok=True)
    command = ["run", "--backend", backend, "-q", "--report", f"json:{report}", "--", "./confined", *words]
    ordinary = backend == "ptrace"
    argv = somebody.run_as(somebody.gotrace, *command) if ordinary else [str(somebody.gotrace), *command]
    env = somebody.environment() if ordinary else None
    done = subprocess.run(argv, cwd=place, env=env, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == status, done.stderr
    found: list[dict[str, Any]] = json.loads(report.read_text())["findings"]
    return found


@pytest.mark.parametrize(
    ("backend", "action", "path"),
    [
        ("ebpf", "read", "/etc/passwd"),
        ("ebpf", "unlink", "outside/file"),
        ("ebpf", "execute", "outside/script"),
        ("ptrace", "read", "outside/file"),
        ("ptrace", "create", "outside/new"),
        ("ptrace", "mkdir", "outside/folder"),
        ("ptrace", "execute", "outside/script"),
    ],
)
def test_what_landlock_refuses(somebody: OrdinaryUser, place: Path, backend: str, action: str, path: str) -> None:
    (found,) = findings(somebody, place, backend, "yes", "allowed", action, path)
    assert found["name"] == RULE
    assert path in found["message"]
    assert "Landlock, most probably" in found["message"]
    assert 0.5 < found["confidence"] < 0.9


@pytest.mark.parametrize(("action", "path"), [("read", "closed/file"), ("create", "closed/new"), ("mkdir", "/etc/new")])
def test_what_the_mode_refuses_is_no_matter_of_a_module(
    somebody: OrdinaryUser, place: Path, action: str, path: str
) -> None:
    """Confined or not: that the module would have refused it as well is not what it failed by."""
    for confined in ("no", "yes"):
        assert findings(somebody, place, "ptrace", confined, "allowed", action, path) == []


def test_a_file_of_the_kernel_is_left_alone(somebody: OrdinaryUser, place: Path) -> None:
    """Its driver may refuse it for reasons of its own."""
    assert findings(somebody, place, "ptrace", "yes", "allowed", "read", "/proc/self/status") == []


def test_a_port_that_root_may_have(somebody: OrdinaryUser, place: Path) -> None:
    if security_modules.landlock_version() < 4:
        pytest.skip("the Landlock of this kernel knows no TCP: Linux 6.7 has it")
    (found,) = findings(somebody, place, "ebpf", "yes", "allowed", "bind", "18471")
    assert found["name"] == RULE
    assert re.search(
        r"was refused bind \(EACCES\), and it ended 0\.\d s later: it may listen on that port", found["message"]
    )


def test_a_library_that_is_refused_is_not_missing(somebody: OrdinaryUser, place: Path) -> None:
    """The loader goes on to other folders, and says that there is no such file."""
    (place / "library.c").write_text("int answer(void) { return 42; }\n")
    (place / "asks.c").write_text("int answer(void);\nint main(void) { return answer() != 42; }\n")
    library = ["gcc", "-shared", "-fPIC", "-o", "outside/libanswer.so", "library.c"]
    program = ["gcc", "-o", "allowed/asks", "asks.c", "-Loutside", "-lanswer", f"-Wl,-rpath,{place}/outside"]
    for command in (library, program):
        subprocess.run(command, cwd=place, check=True)
    folders = "/usr:/lib:/lib64:/etc:allowed"
    (found,) = findings(somebody, place, "ptrace", "yes", folders, "execute", "allowed/asks", status=127)
    assert found["name"] == RULE
    assert "was refused openat of" in found["message"]
    assert "/outside/libanswer.so" in found["message"]
    assert [one["name"] for one in found["consequences"]] == ["shared-library-not-found"]
