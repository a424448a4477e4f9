"""Whose stacks the collector hands to a user who is not root: of processes that are that user's to look into."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import GOTRACE
from tests.integration.ordinary_user import OrdinaryUser, may_use_sudo, ordinary_user, run

pytestmark = pytest.mark.root("only root can make a user, and a program that has root's rights")

ASKS = """
#include <fcntl.h>
#include <stdio.h>
#include <sys/prctl.h>
static __attribute__((noinline)) int look_up(const char *name) {
    char path[256];
    snprintf(path, sizeof path, "/nowhere/%s", name);
    return open(path, O_RDONLY) + path[9];
}
int main(int count, char **given) {
    if (count > 2) prctl(PR_SET_DUMPABLE, 0);
    return look_up(given[1]) ? 3 : 4;
}
"""


@pytest.fixture(scope="module")
def user() -> Iterator[OrdinaryUser]:
    with ordinary_user() as somebody, may_use_sudo(somebody):
        yield somebody


@pytest.fixture(scope="module")
def program(user: OrdinaryUser, tool: Callable[[str], str]) -> Path:
    """Without frame pointers, so that only its stack tells that `look_up` asked."""
    made = user.home / "asks"
    source = user.file("asks.c", ASKS)
    subprocess.run([tool("gcc"), "-O2", "-fomit-frame-pointer", "-o", made, source], check=True)
    return made


@pytest.fixture(scope="module")
def of_root(user: OrdinaryUser, program: Path) -> Path:
    """The same, with root's rights by its file."""
    copy = user.home / "asks-as-root"
    copy.write_bytes(program.read_bytes())
    copy.chmod(0o4755)
    return copy


def who_asked(report: str) -> str:
    (line,) = (line for line in report.splitlines() if '"/nowhere/secret"' in line)
    return line.partition("  by ")[2]


def told(user: OrdinaryUser, *command: str | Path) -> str:
    asked = ["run", "--sudo", "--backend", "ebpf", "--no-color", "--", *command]
    return who_asked(run(user, user.gotrace, *asked, env=user.environment(COLUMNS="300")).stderr)


def test_of_their_own_processes(user: OrdinaryUser, program: Path) -> None:
    assert told(user, program, "secret") == "open (libc.so.6) <- look_up (asks)"


def test_not_of_a_program_that_must_not_be_dumped(user: OrdinaryUser, program: Path) -> None:
    assert told(user, program, "secret", "hidden") == "open (libc.so.6)"


def test_not_of_a_program_that_has_roots_rights_by_its_file(user: OrdinaryUser, of_root: Path) -> None:
    assert told(user, of_root, "secret") == "open (libc.so.6)"


def test_not_of_what_sudo_runs(user: OrdinaryUser, program: Path) -> None:
    assert told(user, "/usr/bin/sudo", "-n", program, "secret") == "open (libc.so.6)"


@pytest.mark.parametrize("hidden", [[], ["hidden"]], ids=["open", "hidden"])
def test_root_is_told_of_all(program: Path, hidden: list[str]) -> None:
    asked: list[str | Path] = [GOTRACE, "run", "--backend", "ebpf", "--no-color", "--", program, "secret", *hidden]
    done = subprocess.run(
        asked, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin", "COLUMNS": "300"}
    )
    assert who_asked(done.stderr) == "open (libc.so.6) <- look_up (asks)"
