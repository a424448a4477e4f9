"""What a refused call wanted of which file."""

from __future__ import annotations

import os
from errno import EACCES

import pytest

from gotrace.capture.facts.wanted import Wanted, begins_at_cwd, in_words, wanted
from gotrace.events.model import SyscallError

_READ_WRITE, _NAMES = os.R_OK | os.W_OK, os.W_OK | os.X_OK
_AT_FDCWD = 0xFFFFFFFFFFFFFF9C


def call(syscall: str, *args: int, paths: tuple[str, ...] = ("a", "b")) -> SyscallError:
    return SyscallError(
        ts_ns=1, pid=7, syscall=syscall, errno=EACCES, paths=paths, args=(*args, *[0] * (6 - len(args)))
    )


@pytest.mark.parametrize(
    ("refused", "files"),
    [
        (call("open", 0, os.O_RDONLY), [Wanted(0, os.R_OK)]),
        (call("openat", 3, 0, os.O_RDWR | os.O_CREAT), [Wanted(0, _READ_WRITE, creates=True)]),
        (call("openat", 3, 0, os.O_RDONLY | os.O_TRUNC), [Wanted(0, _READ_WRITE)]),
        (call("openat", 3, 0, os.O_PATH), [Wanted(0, 0)]),
        (call("openat", 3, 0, os.O_TMPFILE | os.O_WRONLY), [Wanted(0, _NAMES)]),
        (call("creat", 0), [Wanted(0, os.W_OK, creates=True)]),
        (call("truncate", 0), [Wanted(0, os.W_OK)]),
        (call("faccessat", 3, 0, os.X_OK), [Wanted(0, os.X_OK)]),
        (call("newfstatat"), [Wanted(0, 0)]),
        (call("unlinkat"), [Wanted(0, _NAMES, of_folder=True)]),
        (call("renameat2"), [Wanted(0, _NAMES, of_folder=True), Wanted(1, _NAMES, of_folder=True)]),
        (call("symlinkat"), [Wanted(1, _NAMES, of_folder=True)]),
        (call("rename", paths=("a",)), []),
        (call("mount"), []),
        (call("open", paths=()), []),
    ],
)
def test_what_a_call_needs(refused: SyscallError, files: list[Wanted]) -> None:
    assert wanted(refused) == files


def test_a_call_whose_arguments_are_unknown_says_nothing() -> None:
    assert wanted(SyscallError(ts_ns=1, pid=7, syscall="openat", errno=EACCES, paths=("a",))) == []


def test_where_a_relative_path_begins() -> None:
    assert begins_at_cwd(call("open"), 0)
    assert begins_at_cwd(call("openat", _AT_FDCWD), 0)
    assert begins_at_cwd(call("openat", 0xFFFFFF9C), 0)
    assert not begins_at_cwd(call("openat", 3), 0)
    assert begins_at_cwd(call("renameat2", 3, 0, _AT_FDCWD), 1)
    assert not begins_at_cwd(call("renameat2", 3, 0, _AT_FDCWD), 0)


def test_words_for_it() -> None:
    assert in_words(Wanted(0, _READ_WRITE)) == "read and write"
    assert in_words(Wanted(0, 0)) == "reach"
    assert in_words(Wanted(0, _NAMES, of_folder=True)) == "make or remove names in"
