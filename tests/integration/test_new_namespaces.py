"""A mount namespace that a running process makes is kept before a program starts in it, which may end at once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gotrace.capture.roots import Namespaces, Root
from gotrace.events.model import Exec, Exit
from gotrace.sources.mounts import mount_namespace

MAKES_ONE = """
import ctypes, sys
input()
assert ctypes.CDLL(None).unshare(0x20000) == 0
print("made", flush=True)
input()
"""

pytestmark = pytest.mark.root("only root may make a mount namespace without a user namespace")


@contextmanager
def maker() -> Iterator[subprocess.Popen[str]]:
    program = [sys.executable, "-c", MAKES_ONE]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def say(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def can_enter(namespaces: Namespaces, number: int) -> bool:
    child = os.fork()
    if child == 0:
        try:
            namespaces.enter(Root(number))
            os._exit(0 if mount_namespace() == number else 1)
        except OSError:
            os._exit(2)
    return os.waitpid(child, 0)[1] == 0


def test_it_is_kept_beyond_the_end_of_its_maker() -> None:
    namespaces = Namespaces(of_all=True)
    with maker() as process:
        namespaces.see([Exec(ts_ns=1, pid=process.pid, path=sys.executable, argv=("python",))])
        namespaces.look()
        say(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "made\n"
        number = mount_namespace(process.pid)
        namespaces.look()

    assert number not in (0, mount_namespace())
    assert can_enter(namespaces, number)
    namespaces.close()
    assert not can_enter(namespaces, number)


def test_of_a_build_only_its_tools_are_looked_at() -> None:
    namespaces = Namespaces()
    before = set(Path("/proc/self/fd").iterdir())
    with maker() as process:
        namespaces.see([Exec(ts_ns=1, pid=process.pid, path=sys.executable, argv=("python",))])
        say(process)
        assert process.stdout is not None
        process.stdout.readline()
        namespaces.look()
        assert not can_enter(namespaces, mount_namespace(process.pid))
    assert set(Path("/proc/self/fd").iterdir()) == before


def test_who_is_gone_is_not_looked_at() -> None:
    namespaces = Namespaces(of_all=True)
    with maker() as process:
        namespaces.see([Exec(ts_ns=1, pid=process.pid, path=sys.executable, argv=("python",))])
        namespaces.see([Exit(ts_ns=2, pid=process.pid, status=0)])
        say(process)
        assert process.stdout is not None
        process.stdout.readline()
        namespaces.look()
        assert not can_enter(namespaces, mount_namespace(process.pid))
