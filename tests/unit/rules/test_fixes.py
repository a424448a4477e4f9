"""Fixes are command lines that can be pasted: the user's own, corrected."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import pytest

from gotrace.rules import fixes
from gotrace.rules.packages import Package, provenance
from gotrace.trace.model import Build, Trace
from tests.unit.rules.scenes import ALPINE, DEBIAN, Scene

UBUNTU = {**DEBIAN, "distribution": "ubuntu", "distribution_version": "22.04"}


def traced(scene: Scene) -> tuple[Trace, Build]:
    trace = scene.trace()
    (build,) = trace.builds
    return trace, build


@pytest.mark.parametrize(
    ("argv", "env", "fixed"),
    [
        (["go", "build", "./..."], {}, "env CC=x go build ./..."),
        (["go", "build", "-o", "a b", "."], {}, "env CC=x go build -o 'a b' ."),
        (["go", "test", "."], {"GOARCH": "arm64"}, "env GOARCH=arm64 CC=x go test ."),
        (["env", "CC=y", "GOARCH=arm", "go", "build"], {"CC": "y", "GOARCH": "arm"}, "env GOARCH=arm CC=x go build"),
        (["go", "build"], {"CC": "y", "HOME": "/root", "GOFLAGS": ""}, "env CC=x go build"),
        (["go", "run", "."], {"GOFLAGS": "-v", "CGO_CFLAGS": "-I a"}, "env CC=x 'CGO_CFLAGS=-I a' GOFLAGS=-v go run ."),
        (["make", "all"], {"GOARCH": "arm64"}, "env GOARCH=arm64 CC=x make all"),
        (["env", "-u", "CC", "go", "build"], {}, "env CC=x env -u CC go build"),
    ],
)  # fmt: skip
def test_the_command_is_the_users_own(argv: Sequence[str], env: dict[str, str], fixed: str) -> None:
    trace, build = traced(Scene("go build", env=env, argv=argv))

    assert shlex.join(fixes.rerun(trace, build, {"CC": "x"})) == fixed


def test_a_script_that_sets_the_variable_itself_cannot_be_overridden() -> None:
    scene = Scene("make all")
    inner = {**scene.env, "CC": "gcc", "GOARCH": "arm64"}
    scene.story.forks(1, 2)
    scene.story.execs(2, "go build -o app ./cmd", env=inner)
    scene.story.exits(2, 1)
    trace, build = traced(scene)

    assert fixes.sets_itself(trace, build, "CC")
    assert fixes.rerun(trace, build, {"CC": "x"}) == (
        "env",
        "GOARCH=arm64",
        "CC=x",
        "go",
        "build",
        "-o",
        "app",
        "./cmd",
    )
    # All that the makefile builds would be for arm64 if these variables went in front of it.
    assert fixes.rerun(trace, build, {"CXX": "x"})[-2:] == ("app", "./cmd")
    assert "make sets the variables itself" in fixes.corrected(trace, build, {"CXX": "x"}, "Use x.").text


@pytest.mark.parametrize(
    ("compilers", "expected"),
    [
        (None, ["env", "apt-get"]),
        (["/usr/bin/gcc"], ["apt-get", "env"]),
        (["/usr/bin/gcc", "/usr/bin/aarch64-linux-gnu-gcc"], ["env"]),
    ],
)
def test_what_is_installed_is_known_if_the_capture_looked(compilers: list[str] | None, expected: list[str]) -> None:
    env = {"GOARCH": "arm64", "CGO_ENABLED": "1"}
    scene = Scene(env=env, tools=env)
    with scene.cgo("ex/hello"):
        pass
    if compilers is not None:
        scene.story.fact("toolchain", compilers=compilers, elsewhere=[])

    found = fixes.use_compiler(*traced(scene))

    assert [fix.command[0] for fix in found if fix.command] == expected


def test_a_missing_compiler_is_said_to_be_missing_on_every_system() -> None:
    env = {"GOARCH": "arm64", "CGO_ENABLED": "1"}
    scene = Scene(env=env, tools=env, host=ALPINE)
    with scene.cgo("ex/hello"):
        pass
    scene.story.fact("toolchain", compilers=[], elsewhere=[])

    assert fixes.use_compiler(*traced(scene))[0].text == "aarch64-linux-gnu-gcc is not in PATH: install it first."


@pytest.mark.parametrize(
    ("host", "user", "command"),
    [
        (DEBIAN, "root", "apt-get install -y gcc"),
        (UBUNTU, "alice", "sudo apt-get install -y gcc"),
        ({**DEBIAN, "package_lists": "none"}, "root", "sh -c 'apt-get update && apt-get install -y gcc'"),
        (ALPINE, "root", None),
        ({}, "root", None),
    ],
)
def test_packages_are_installed_where_there_is_apt(host: dict[str, str], user: str, command: str | None) -> None:
    trace, _ = traced(Scene(host=host, user=user))

    found = fixes.installs(trace, ["gcc"])

    assert (shlex.join(found) if found else None) == command


def test_where_a_name_comes_from_is_said_on_other_systems() -> None:
    debian, _ = traced(Scene())
    ubuntu, _ = traced(Scene(host=UBUNTU))

    assert fixes.according_to(debian) == ""
    assert fixes.according_to(ubuntu) == f" (so the package is called in Debian 12, index of {provenance().date})"


def test_alternatives_are_named_and_one_is_installed() -> None:
    trace, build = traced(Scene())

    fix = fixes.build_package(trace, build, [Package("liba-dev"), Package("libb-dev")], "Install what holds a.h")

    assert fix is not None
    assert fix.text == "Install what holds a.h: liba-dev, or libb-dev."
    assert fix.command == ("apt-get", "install", "-y", "liba-dev")


def test_a_package_of_all_architectures_has_no_architecture() -> None:
    env = {"GOARCH": "arm64", "CGO_ENABLED": "1"}
    scene = Scene(env=env, tools=env)
    with scene.cgo("ex/hello"):
        pass
    trace, build = traced(scene)

    foreign = fixes.build_package(trace, build, [Package("liba-dev")], "Install")
    same = fixes.build_package(trace, build, [Package("libb-dev", everywhere=True)], "Install")

    assert foreign is not None
    assert same is not None
    assert "apt-get install -y liba-dev:arm64" in str(foreign.command)
    assert same.command == ("apt-get", "install", "-y", "libb-dev")


def test_a_go_command_that_a_test_runs_is_changed_there() -> None:
    scene = Scene("go test .", status=0)
    scene.story.forks(1, 2)
    scene.story.execs(2, "/tmp/go-build1/b001/a.test -test.v", env=scene.env)
    scene.story.forks(2, 3)
    scene.story.execs(3, "go build .", env={**scene.env, "CC": "nope"})
    scene.story.exits(3, 1)
    scene.story.exits(2, 0)
    trace = scene.trace()
    build = next(build for build in trace.builds if build.span.process.pid == 3)

    fix = fixes.corrected(trace, build, {"CC": "gcc"}, "Use gcc.")

    assert fix.text == "Use gcc; the program that runs this go command sets the variables itself: change them there."
    assert fix.command == ("env", "CC=gcc", "go", "build", ".")
