"""small-thread-stack: musl's threads, C code, and the build with a larger stack."""

from __future__ import annotations

import pytest

from gotrace.events.model import Fact
from gotrace.rules.small_thread_stack import _fixes
from tests.unit.rules.recorded import finding, ways_out

STACK = "-Wl,-z,stack-size=8388608"


def built(flags: str) -> Fact:
    go = {"version": "go1.26.6", "path": "example.com/app", "settings": {"CGO_ENABLED": "1", "-ldflags": flags}}
    return Fact(ts_ns=1, pid=1, name="binary", subject="/srv/app", data={"go": go})


def test_the_build_is_repeated_with_a_larger_stack() -> None:
    found = finding("small-thread-stack")
    assert "ran out of stack in deep" in found.message
    assert f'-linkmode external -extldflags "-static {STACK}"' in ways_out(found)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", f"-linkmode external -extldflags {STACK}"),
        ("-s -w", f"-s -w -linkmode external -extldflags {STACK}"),
        ("-extldflags=-static -s", f'-extldflags "-static {STACK}" -s'),
        ("-s -extldflags '-static -lm'", f"-s -extldflags '-static -lm {STACK}'"),
    ],
)
def test_flags_of_the_linker_are_kept(before: str, after: str) -> None:
    command = _fixes(built(before))[0].command
    assert command is not None
    assert command[command.index("-ldflags") + 1] == after


def test_of_another_program_the_flag_is_told() -> None:
    assert _fixes(None)[0].text == f"Link the program with {STACK}."
