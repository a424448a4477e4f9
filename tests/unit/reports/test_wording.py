from __future__ import annotations

import shlex
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotrace.events.text import printable
from gotrace.events.tools import Role
from gotrace.reports.wording import counted, end_of, named, pasteable, seconds, shortened
from tests.unit.reports.made import span


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (("go", "build", "."), "go build ."),
        (("CC=zig cc", "go", "build", "-ldflags=-s -w"), "CC='zig cc' go build '-ldflags=-s -w'"),
        (("env", "CC=zig cc", "make", "X=a b"), "env CC='zig cc' make 'X=a b'"),
        (("rm", ""), "rm ''"),
    ],
)
def test_a_command_that_can_be_pasted(command: tuple[str, ...], line: str) -> None:
    assert pasteable(command) == line


@given(st.lists(st.binary(min_size=0, max_size=12).map(lambda raw: raw.replace(b"\0", b"")), max_size=3))
def test_a_pasted_command_has_the_very_bytes(words: list[bytes]) -> None:
    line = pasteable(["printf", r"%s\\0", *map(printable, words)])
    assert "\n" not in line
    printed = subprocess.run(["bash", "-c", line], capture_output=True, check=True).stdout
    assert printed == b"".join(word + b"\0" for word in words) or (not words and printed == b"\0")


def test_of_a_long_command_both_ends_survive() -> None:
    short = shortened(("gcc", *["-I/usr/include"] * 50, "-c", "main.c"), 60)
    assert len(short) <= 60
    assert short.startswith("gcc -I/usr/include")
    assert short.endswith("-c main.c")
    assert shortened(("go", "build"), 60) == "go build"


def test_small_phrases() -> None:
    assert (counted(1, "package"), counted(2, "process"), counted(0, "event")) == (
        "1 package",
        "2 processes",
        "0 events",
    )
    assert (seconds(0.04), seconds(8.24)) == ("0.04 s", "8.2 s")
    assert (end_of(1, None), end_of(None, 11), end_of(None, 40), end_of(None, None)) == (
        "exit status 1",
        "killed by SIGSEGV",
        "killed by signal 40",
        "end not seen",
    )
    assert shlex.split(pasteable(("a b", "c"))) == ["a b", "c"]


@pytest.mark.parametrize(
    ("program", "role", "shown"),
    [
        ("/usr/bin/gcc", Role.CC, "gcc"),
        ("x86_64-linux-gnu-ld.bfd", Role.LD, "x86_64-linux-gnu-ld.bfd"),
        ("my-wrapper.sh", Role.CC, "my-wrapper.sh (cc)"),
        ("clang", Role.CC, "clang (cc)"),
    ],
)
def test_a_tools_role_is_said_where_its_name_does_not(program: str, role: Role, shown: str) -> None:
    assert named(span((program,), role, 1, start=0, end=1)) == shown
