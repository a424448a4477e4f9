"""disk-full: writes that fail for want of room, observed or told by what is left."""

from __future__ import annotations

from errno import EDQUOT, ENOSPC

import pytest

from tests.unit.rules.scenes import CC1, EVERYTHING, GCC, Scene, healthy, lines, proof
from tests.unit.trace.events_for import WORK

SEEN_BY_PTRACE = tuple(facet for facet in EVERYTHING if facet != "all_failures")
LARGE = 1 << 40
NO_ROOM = "link: mapping output file failed: no space left on device\n"


def places(scene: Scene, **free: int) -> None:
    """The folders of the build, each on a large file system unless `free` has its room (its size is twice that)."""
    folders = {"GOCACHE": "/home/u/.cache/go-build", "GOTMPDIR": "/tmp", "HOME": "/home/u", "": "/home/u/hello"}
    for use, path in folders.items():
        left = free.get(use, LARGE)
        size = 2 * left or 300 << 10
        data = {"there": path, "size": size, "free": left, "readonly": False, "noexec": False, "owner": "u"}
        scene.story.fact("place", path, use=use, pid=1, **data)


@pytest.mark.parametrize(("call", "errno"), [("fallocate", ENOSPC), ("write", ENOSPC), ("pwrite64", EDQUOT)])
def test_the_linkers_output_did_not_fit(call: str, errno: int) -> None:
    scene = Scene()
    with scene.link() as link:
        scene.story.fails(link, call, errno)
    places(scene, GOTMPDIR=64 << 10)

    finding = scene.finding("disk-full")

    assert finding.confidence == 1.0
    assert "the temporary folder, /tmp, was full when link wrote to it (64 KiB free of 128 KiB now)" in finding.message
    assert call in proof(finding)
    assert lines(finding) == ["env TMPDIR=/home/u go build ."]


def test_gotmpdir_is_moved_where_it_is_set() -> None:
    scene = Scene(env={"GOTMPDIR": "/tmp"})
    with scene.link() as link:
        scene.story.fails(link, "fallocate", ENOSPC)
    places(scene, GOTMPDIR=64 << 10)

    assert lines(scene.finding("disk-full")) == ["env GOTMPDIR=/home/u go build ."]


def test_a_full_cache_of_which_go_says_nothing() -> None:
    scene = Scene()
    scene.story.fails(1, "write", ENOSPC)
    scene.story.writes(1, "main.go:3:8: package fmt is not in std\n")
    places(scene, GOCACHE=0)

    finding = scene.finding("disk-full")

    assert "the build cache, /home/u/.cache/go-build, was full when go wrote to it" in finding.message
    assert lines(finding) == ["env GOCACHE=/home/u/hello/.gocache go build .", "go clean -cache"]


def test_without_any_fact_it_is_named_all_the_same() -> None:
    scene = Scene()
    with scene.link() as link:
        scene.story.fails(link, "fallocate", ENOSPC)

    finding = scene.finding("disk-full")

    assert "link writes to" in finding.message
    assert finding.fix


def test_the_path_of_a_call_tells_the_folder() -> None:
    scene = Scene()
    with scene.link() as link:
        scene.story.fails(link, "openat", ENOSPC, "/home/u/hello/app")
    places(scene)

    assert "/home/u/hello was full" in scene.finding("disk-full").message


def test_full_calls_of_another_kind_are_none() -> None:
    scene = Scene()
    with scene.link() as link:
        scene.story.fails(link, "inotify_add_watch", ENOSPC, WORK)

    assert scene.findings() == []


def test_a_healthy_build_is_silent() -> None:
    scene = Scene(status=0)
    healthy(scene)
    scene.story.fails(1, "write", ENOSPC)
    places(scene, GOCACHE=0)

    assert scene.findings() == []


def test_words_do_not_decide_where_failing_writes_are_observed() -> None:
    scene = Scene()
    with scene.link() as link:
        scene.story.writes(link, NO_ROOM)

    assert scene.findings() == []


def test_unobserved_writes_are_told_by_the_tools_words() -> None:
    scene = Scene(observes=SEEN_BY_PTRACE)
    with scene.link() as link:
        scene.story.writes(link, NO_ROOM)
    scene.story.writes(1, NO_ROOM)
    places(scene, GOTMPDIR=64 << 10)

    finding = scene.finding("disk-full")

    assert finding.confidence < 1.0
    assert "was full when link wrote to it" in finding.message


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Kein Platz mehr frei", "f.c:7:1: schwerwiegender Fehler: Schreibfehler in ./tmp/a.s: Kein Platz mehr frei\n"),
        ("Plus de place", "as : /tmp/a.o : Plus de place\n"),
        ("没有空间", "f.c:7:1: 致命错误：写入 ./tmp/a.s 时出错：没有空间\n"),
    ],
)
def test_unobserved_writes_are_told_in_the_tools_language(text: str, line: str) -> None:
    scene = Scene(observes=SEEN_BY_PTRACE)
    with scene.cgo("ex/hello") as cgo, scene.run(cgo, GCC, 1) as gcc, scene.run(gcc, CC1, 1) as cc1:
        scene.story.writes(cc1, line)
    scene.story.fact("errno_texts", "xy_XY.UTF-8", ENOSPC=text, EDQUOT="-", ENOMEM="-")
    places(scene, GOTMPDIR=64 << 10)

    finding = scene.finding("disk-full")

    assert finding.confidence < 1.0
    assert "the temporary folder, /tmp, was full when cc1 wrote to it" in finding.message
    assert text in proof(finding)


def test_unobserved_writes_to_a_cache_that_is_still_full() -> None:
    scene = Scene(observes=SEEN_BY_PTRACE)
    places(scene, GOCACHE=0)

    finding = scene.finding("disk-full")

    assert finding.confidence < 1.0
    assert "the build cache, /home/u/.cache/go-build, is full (0 bytes free of 300 KiB)" in finding.message


@pytest.mark.parametrize("use", ["GOTMPDIR", "GOCACHE"])
def test_unobserved_writes_to_a_small_file_system_are_not_decided(use: str) -> None:
    scene = Scene(observes=SEEN_BY_PTRACE)
    with scene.cgo("ex/hello"):
        pass
    places(scene, **{use: 1 << 20})

    (undecided,) = scene.diagnosis().not_evaluated

    assert undecided.code == "GT111"
    assert "1 MiB free of 2 MiB" in undecided.reason


def test_large_file_systems_leave_no_doubt() -> None:
    scene = Scene(observes=SEEN_BY_PTRACE)
    with scene.cgo("ex/hello"):
        pass
    places(scene)

    assert scene.findings() == []
