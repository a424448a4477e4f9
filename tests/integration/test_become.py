"""Becoming another user, by the real kernel: all of root's rights are gone, and there is no way back."""

from __future__ import annotations

import json
import os
import pwd
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gotrace.capture import privileges

NOBODY = pwd.getpwnam("nobody")

pytestmark = pytest.mark.root("only root can become somebody else")


def as_nobody(question: Callable[[], Any]) -> Any:
    """The answer of a child process that has become the user nobody."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            # Where the Python of this test run lies is no matter here: all that is needed has been imported.
            privileges._check_own_files = lambda who: None
            privileges.become(privileges.user("nobody"))
            os.write(write_end, json.dumps(question()).encode())
        finally:
            os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end) as stream:
        answer = stream.read()
    os.waitpid(pid, 0)
    assert answer, "the child failed"
    return json.loads(answer)


def test_all_ids_and_groups_are_the_users() -> None:
    assert as_nobody(lambda: [os.getresuid(), os.getresgid(), os.getgroups()]) == [
        [NOBODY.pw_uid] * 3,
        [NOBODY.pw_gid] * 3,
        os.getgrouplist("nobody", NOBODY.pw_gid),
    ]


def test_no_capability_is_left() -> None:
    status = as_nobody(lambda: Path("/proc/self/status").read_text())
    assert [line.split()[1] for line in status.splitlines() if line.startswith(("CapPrm", "CapEff", "CapAmb"))] == [
        "0000000000000000"
    ] * 3


def test_root_cannot_be_had_again() -> None:
    def attempts() -> list[str]:
        refused = []
        for name, call in (("setuid", os.setuid), ("seteuid", os.seteuid), ("setgid", os.setgid)):
            try:
                call(0)
            except PermissionError:
                refused.append(name)
        return refused

    assert as_nobody(attempts) == ["setuid", "seteuid", "setgid"]


def test_the_process_may_still_look_at_itself() -> None:
    assert as_nobody(lambda: len(Path("/proc/self/environ").read_bytes())) > 0


def test_the_environment_is_the_users() -> None:
    assert as_nobody(lambda: [os.environ["HOME"], os.environ["USER"]]) == [NOBODY.pw_dir, "nobody"]
