"""`gotrace scenario --sudo` of an ordinary user: the collector alone is root, whatever environment an act runs in."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.integration.ordinary_user import Done, OrdinaryUser, may_use_sudo, ordinary_user, run

pytestmark = pytest.mark.root("only root can make a user to try it with")

HEALTHY = """
title = "A file system that takes no file"
[reproduce]
environment = { kind = "mount", readonly = ["$WORK/kept"] }
command = ["sh", "-c", "id -u; env | grep -c GOTRACE_COLLECTOR; touch kept/file; test ! -e kept/file"]
output = ["^%d$", "^0$"]
events = [{ kind = "syscall_error", paths = "kept/file$", errno = "EROFS" }]
"""
SECCOMP = """
title = "A kernel without a call"
[reproduce]
environment = { kind = "seccomp", errno = { mkdir = "ENOSYS" } }
command = ["sh", "-c", "mkdir folder; test ! -e folder"]
events = [{ kind = "syscall_error", syscall = "mkdir", paths = "folder$", errno = "ENOSYS" }]
"""


@pytest.fixture(scope="module")
def user() -> Iterator[OrdinaryUser]:
    with ordinary_user() as somebody:
        somebody.file("readonly.toml", HEALTHY % somebody.uid)
        somebody.file("seccomp.toml", SECCOMP)
        yield somebody


def scenario(user: OrdinaryUser, *words: str) -> Done:
    return run(user, user.gotrace, "scenario", *words, "--trust")


@pytest.mark.parametrize("backend", ["auto", "ebpf", "both"])
def test_acts_are_watched_by_ebpf_in_namespaces_of_the_users_own(user: OrdinaryUser, backend: str) -> None:
    with may_use_sudo(user):
        done = scenario(user, "verify", "./readonly.toml", "--sudo", "--backend", backend, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    told = [(one["status"], one["backend"]) for one in json.loads(done.stdout)["scenarios"]]
    assert told == [("passed", "ebpf"), *([("passed", "ptrace")] if backend == "both" else [])]


def test_and_under_filters_by_which_sudo_could_not_work(user: OrdinaryUser) -> None:
    with may_use_sudo(user):
        done = scenario(user, "run", "./seccomp.toml", "--sudo", "--backend", "ebpf")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "seccomp by ebpf: passed in " in done.stdout


def test_who_may_not_use_sudo_is_told_what_to_do(user: OrdinaryUser) -> None:
    done = scenario(user, "verify", "./readonly.toml", "--sudo", "--backend", "both")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(
        "gotrace: error: sudo did not start the collector (it exited with 1)\n"
        "  see what `sudo -v` says; without --sudo, --backend ptrace needs no privilege\n"
    )


def test_without_sudo_the_way_is_shown(user: OrdinaryUser) -> None:
    done = scenario(user, "verify", "./readonly.toml", "--backend", "ebpf")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("\n  add --sudo, or run gotrace scenario as root\n")
