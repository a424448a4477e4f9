"""unwritable-cache: go ends before it runs a tool, since its build cache cannot be made."""

from __future__ import annotations

from errno import EACCES, ENOENT, EROFS

import pytest

from tests.unit.rules.scenes import Scene, healthy, lines, proof

CACHE = "/home/u/.cache/go-build"


def place(scene: Scene, path: str, use: str, **data: object) -> None:
    known = {"there": path, "size": 1 << 40, "free": 1 << 39, "readonly": False, "noexec": False, "owner": "alice"}
    scene.story.fact("place", path, **{**known, "use": use, "pid": 1, **data})


@pytest.mark.parametrize("path", [CACHE, f"{CACHE}/00", f"{CACHE}/ff", "/home/u/.cache"])
def test_a_refused_mkdir_of_the_cache_or_in_it_or_above_it(path: str) -> None:
    scene = Scene(env={"HOME": "/home/u"})
    scene.story.fails(1, "mkdirat", EROFS, path)

    finding = scene.finding("unwritable-cache")

    assert f"build cache {CACHE}: its file system is read-only" in finding.message
    assert "EROFS" in proof(finding)
    assert lines(finding) == ["env GOCACHE=/home/u/hello/.gocache go build ."]


@pytest.mark.parametrize(
    ("call", "errno", "path"),
    [
        ("mkdirat", EROFS, "/home/u/.config/go/telemetry"),  # not the cache
        ("mkdirat", ENOENT, CACHE),  # os.MkdirAll goes on above it
        ("openat", EROFS, f"{CACHE}/trim.txt"),  # a complete cache may be read-only
        ("mkdirat", EROFS, f"{CACHE}/fuzz"),
    ],
)
def test_other_calls_are_none(call: str, errno: int, path: str) -> None:
    scene = Scene(env={"HOME": "/home/u"})
    scene.story.fails(1, call, errno, path)

    assert scene.findings() == []


def test_a_build_that_ran_tools_had_a_cache() -> None:
    scene = Scene(env={"HOME": "/home/u"})
    scene.story.fails(1, "mkdirat", EROFS, CACHE)
    with scene.cgo("ex/hello"):
        pass

    assert scene.findings() == []


def test_a_healthy_build_is_silent() -> None:
    scene = Scene(status=0, env={"HOME": "/home/u"})
    healthy(scene)
    scene.story.fails(1, "mkdirat", EROFS, f"{CACHE}/00")

    assert scene.findings() == []


def test_a_cache_of_another_user_is_given_back() -> None:
    scene = Scene(env={"HOME": "/home/alice"}, user="alice")
    folder = "/home/alice/.cache/go-build"
    scene.story.fails(1, "mkdirat", EACCES, f"{folder}/00")
    place(scene, folder, "GOCACHE", owner="root")

    finding = scene.finding("unwritable-cache")

    assert f"{folder} belongs to root, and this is alice" in finding.message
    assert lines(finding)[0] == f"sudo chown -R alice {folder}"


def test_the_new_cache_is_not_where_nothing_can_be_written() -> None:
    scene = Scene(env={"GOCACHE": "/cache", "HOME": "/home/u"})
    scene.story.fails(1, "mkdirat", EROFS, "/cache/00")
    place(scene, "/home/u/hello", "", readonly=True)
    place(scene, "/home/u", "HOME")

    finding = scene.finding("unwritable-cache")

    assert "/cache (GOCACHE)" in finding.message
    assert lines(finding) == ["env GOCACHE=/home/u/.cache/gocache go build ."]


def test_no_place_for_the_cache() -> None:
    scene = Scene()
    says = "build cache is required, but could not be located: GOCACHE is not defined and neither ... are defined\n"
    scene.story.writes(1, says)

    finding = scene.finding("unwritable-cache")

    assert "none of GOCACHE, XDG_CACHE_HOME and HOME is set" in finding.message
    assert lines(finding) == ["env GOCACHE=/home/u/hello/.gocache go build ."]


def test_those_words_alone_prove_nothing() -> None:
    scene = Scene(env={"HOME": "/home/u"})
    scene.story.writes(1, "build cache is required, but could not be located: so they say\n")

    assert scene.findings() == []
