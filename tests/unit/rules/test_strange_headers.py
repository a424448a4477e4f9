"""Headers for which no package may be named: C++'s in C, those of another system, the project's own."""

from __future__ import annotations

import pytest

from tests.unit.rules.scenes import CC1, GCC, INCLUDE, Scene, lines, missing_header
from tests.unit.trace.events_for import GCC_PARTS

ANDROID = {"GOOS": "android", "GOARCH": "arm64", "CGO_ENABLED": "1"}


@pytest.mark.parametrize("header", ["vector", "iostream", "string", "map", "memory"])
def test_a_cxx_header_in_a_preamble(header: str) -> None:
    scene = Scene()
    missing_header(scene, header, shows=f"    3 | // #include <{header}>")
    scene.story.fact("header", header, found=[f"/usr/include/c++/12/{header}"], complete=True)

    finding = scene.finding("missing-header")

    assert finding.message == (
        f"The header {header}, which /home/u/hello/a.go:3 includes, is a C++ header, and a cgo preamble is C: put it "
        "into a .cc file (package ex/hello)."
    )
    assert lines(finding) == []
    assert 'extern "C"' in finding.fix[0].text


def test_what_lies_in_the_folder_of_cxx_is_cxx() -> None:
    scene = Scene()
    missing_header(scene, "mdspan")
    scene.story.fact("header", "mdspan", found=["/usr/include/c++/16/mdspan"], complete=True)

    assert "is a C++ header" in scene.finding("missing-header").message


def test_a_c_file_that_includes_a_cxx_header() -> None:
    scene = Scene()
    missing_header(scene, "vector", place="/home/u/hello/impl.c")

    finding = scene.finding("missing-header")

    assert "is a C++ header, and this compile is C" in finding.message
    assert ".cc" in finding.fix[0].text


def test_a_cxx_compile_without_cxx_headers_lacks_them() -> None:
    scene = Scene()
    cc1plus = f"{GCC_PARTS}/cc1plus -quiet a.cc"
    with scene.run(1, "g++ -c a.cc", 1) as gcc, scene.run(gcc, cc1plus, 1) as cc1:
        scene.searches(cc1, "vector", INCLUDE, "openat")
        scene.story.writes(cc1, "a.cc:3:11: fatal error: vector: No such file or directory\n")

    assert "is a C++ header" not in scene.finding("missing-header").message


@pytest.mark.parametrize(
    ("header", "system", "goos"),
    [
        ("windows.h", "Windows", "windows"),
        ("Winsock2.h", "Windows", "windows"),
        ("CoreFoundation/CoreFoundation.h", "macOS", "darwin"),
        ("TargetConditionals.h", "macOS", "darwin"),
    ],
)
def test_a_header_of_another_system(header: str, system: str, goos: str) -> None:
    scene = Scene()
    missing_header(scene, header)

    finding = scene.finding("missing-header")

    assert f"belongs to {system}: the file that includes it needs a //go:build line" in finding.message
    assert finding.fix[0].text.startswith(f"Put `//go:build {goos}` at the top of /home/u/hello/a.go")
    assert lines(finding) == []


def test_a_windows_build_that_lacks_windows_headers_is_no_matter_of_build_lines() -> None:
    env = {"GOOS": "windows", "CGO_ENABLED": "1", "CC": "clang --target=x86_64-w64-mingw32"}
    scene = Scene(env=env, tools=env)
    with scene.cgo("ex/app") as cgo, scene.run(cgo, "clang --target=x86_64-w64-mingw32 -E x.c", 1) as clang:
        scene.searches(clang, "windows.h", ["/usr/include"], "newfstatat")
        scene.story.writes(clang, "a.go:3:11: fatal error: 'windows.h' file not found\n")

    finding = scene.finding("missing-header")

    assert "//go:build" not in finding.message
    assert "the development kit of windows/amd64" in finding.fix[0].text


@pytest.mark.parametrize(
    ("header", "brackets", "said"),
    [
        ("../x.h", '""', "where this path leads from the file that includes it"),
        ("../x.h", "", "where this path leads from the file that includes it"),
        ("utils/list.h", '""', "at this path below the folder of the file that includes it"),
        ("x.h", '""', "beside the file that includes it"),
    ],
)
def test_the_projects_own_file(header: str, brackets: str, said: str) -> None:
    scene = Scene()
    missing_header(scene, header, shows=f"    3 | // #include {brackets[:1]}{header}{brackets[1:]}" if brackets else "")

    finding = scene.finding("missing-header")

    assert f"Put {header}, which looks like a file of the project's own, {said}" in finding.fix[0].text
    assert lines(finding) == []


def test_angle_brackets_are_not_the_projects_own() -> None:
    scene = Scene()
    missing_header(scene, "utils/list.h", shows="    3 | // #include <utils/list.h>")

    assert "project's own" not in scene.finding("missing-header").fix[0].text


def test_android_gets_no_package_of_the_host() -> None:
    env = {**ANDROID, "CC": "clang --target=aarch64-linux-android"}
    scene = Scene(env=env, tools=env)
    missing_header(scene, "android/log.h", cc="clang --target=aarch64-linux-android")
    scene.story.fact("header", "android/log.h", found=["/usr/include/android/android/log.h"], complete=True)

    finding = scene.finding("missing-header")

    assert lines(finding) == []
    assert "android-liblog-dev" not in finding.fix[0].text
    assert "the development kit of android/arm64" in finding.fix[0].text
    assert "though there is one" not in finding.message


def test_with_the_hosts_compiler_the_header_is_the_compilers_matter() -> None:
    scene = Scene(env=ANDROID, tools=ANDROID)
    with scene.cgo("ex/app") as cgo, scene.run(cgo, GCC, 1) as gcc, scene.run(gcc, CC1, 1) as cc1:
        scene.searches(cc1, "android/log.h", INCLUDE, "openat")
        scene.story.writes(cc1, "a.go:3:11: fatal error: android/log.h: No such file or directory\n")
    scene.story.fact("compiler", "/usr/bin/gcc", target="x86_64-linux-gnu", family="gcc")

    finding = scene.finding("wrong-target-compiler")

    assert [below.name for below in finding.consequences] == ["missing-header"]
