"""What go commands took from their build cache, as far as a trace tells."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from gotrace.trace.buildcache import FromCache, cache_use, private_folder
from tests.unit.trace import go126
from tests.unit.trace.events_for import TOOLS, WORK, Story

COMPILE_RUNTIME = f"{TOOLS}/compile -o {WORK}/b009/_pkg_.a -p runtime -std -pack /usr/local/go/src/runtime/proc.go"
PRIVATE = "/tmp/gotrace-fresh-x"


def told(command: str, *tools: str, status: int = 0) -> FromCache | None:
    story = Story()
    go_command(story, 1, command, *tools, status=status)
    (use,) = cache_use(story.trace())
    return use.packages


def go_command(
    story: Story, pid: int, command: str, *tools: str, status: int = 0, env: Mapping[str, str] | None = None
) -> None:
    with story.process(pid, command, status=status, env=env or {}):
        for number, tool in enumerate(tools, 1):
            story.runs(pid + number, tool, parent=pid)


@pytest.mark.parametrize(
    ("command", "tools", "status", "from_cache"),
    [
        ("go build .", (COMPILE_RUNTIME, go126.COMPILE_MAIN, go126.LINK), 0, FromCache.NONE),
        ("go build -a .", (go126.COMPILE_SUB,), 1, FromCache.NONE),
        ("go build .", (go126.COMPILE_MAIN, go126.LINK), 0, FromCache.SOME),
        ("go build .", (go126.COMPILE_MAIN,), 1, FromCache.SOME),
        ("go test .", (go126.COMPILE_MAIN, go126.LINK), 0, FromCache.SOME),
        ("go build .", (go126.LINK,), 1, FromCache.SOME),
        ("go build .", (go126.LINK,), 0, FromCache.ALL),
        ("go build .", (), 0, FromCache.ALL),
        ("go build .", (), 1, None),
        ("go build -n .", (), 0, None),
        ("go test .", (), 0, None),
        ("go build ./sub", (go126.COMPILE_SUB,), 0, None),
    ],
)
def test_how_much_came_from_the_cache(
    command: str, tools: tuple[str, ...], status: int, from_cache: FromCache | None
) -> None:
    assert told(command, *tools, status=status) is from_cache


def test_what_an_earlier_go_command_compiled_was_seen() -> None:
    story = Story()
    go_command(story, 10, "go build ./a", COMPILE_RUNTIME)
    go_command(story, 20, "go build ./b", go126.COMPILE_MAIN, go126.COMPILE_SUB)
    first, second = cache_use(story.trace())
    assert (first.packages, first.packages_compiled, first.seen) == (FromCache.NONE, 1, False)
    assert (second.packages, second.packages_compiled, second.seen) == (FromCache.SOME, 1, True)


def test_that_of_another_target_was_not() -> None:
    story = Story()
    go_command(story, 10, "go build .", COMPILE_RUNTIME, env={"GOOS": "linux", "GOARCH": "arm64"})
    go_command(story, 20, "go build .", go126.COMPILE_MAIN, env={"GOOS": "linux", "GOARCH": "amd64"})
    assert [use.seen for use in cache_use(story.trace())] == [False, False]


def test_a_private_cache_is_no_setting_of_the_users() -> None:
    story = Story()
    go_command(story, 10, "go build .", env={"GOCACHE": PRIVATE, "CC": "gcc"})
    go_command(story, 20, "go build .", env={"GOCACHE": "/home/u/cache"})
    story.fact("fresh_cache", PRIVATE)
    trace = story.trace()
    assert private_folder(trace) == PRIVATE
    assert [build.env for build in trace.builds] == [{"CC": "gcc"}, {"GOCACHE": "/home/u/cache"}]
    assert [use.seen for use in cache_use(trace)] == [True, False]
