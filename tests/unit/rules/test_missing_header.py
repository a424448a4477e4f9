"""missing-header: a header that cc1 looked for in all its folders."""

from __future__ import annotations

import pytest

from tests.unit.rules.scenes import (
    ALPINE,
    CC1,
    DEBIAN,
    GCC,
    INCLUDE,
    Scene,
    finds_stdc_predef,
    healthy,
    lines,
    missing_header,
    proof,
)
from tests.unit.trace.events_for import GCC_PARTS, WORK


def test_an_unknown_header_is_named_and_no_package_guessed() -> None:
    scene = Scene()
    missing_header(scene, "foo/foo.h", "ex/x01hdr")

    finding = scene.finding("missing-header")

    assert finding.message == (
        "The header foo/foo.h, which /home/u/hello/a.go:3 includes, is in none of the 6 folders that the compiler "
        "searched (package ex/x01hdr)."
    )
    assert '"/usr/include/foo/foo.h"' in proof(finding)
    assert "fatal error: foo/foo.h" in proof(finding)
    assert len(finding.evidence) <= 6
    assert lines(finding) == []
    assert "foo/foo.h" in finding.fix[0].text


@pytest.mark.parametrize(
    ("header", "package"),
    [
        ("sqlite3.h", "libsqlite3-dev"),
        ("vips/vips.h", "libvips-dev"),
        ("X11/Xlib.h", "libx11-dev"),
        ("openssl/ssl.h", "libssl-dev"),
        ("errno.h", "libc6-dev"),
        ("glib.h", "libglib2.0-dev"),
    ],
)
def test_the_package_that_holds_it(header: str, package: str) -> None:
    scene = Scene()
    missing_header(scene, header)

    assert lines(scene.finding("missing-header")) == [f"apt-get install -y {package}"]


def test_its_fix_is_silent() -> None:
    scene = Scene(status=0)
    with scene.cgo("ex/hello", 0) as cgo, scene.run(cgo, GCC) as gcc, scene.run(gcc, CC1) as cc1:
        scene.searches(cc1, "sqlite3.h", [f"{WORK}/b001", ".", *INCLUDE[:-1]], "openat")

    assert scene.findings() == []


def test_a_folder_of_its_own_is_said() -> None:
    scene = Scene()
    missing_header(scene, "glib.h")

    assert "/usr/include/glib-2.0" in scene.finding("missing-header").fix[0].text


def test_several_packages_have_a_header_of_that_name() -> None:
    scene = Scene()
    missing_header(scene, "gtk/gtk.h")

    finding = scene.finding("missing-header")

    assert lines(finding) == []
    assert all(name in finding.fix[0].text for name in ("libgtk2.0-dev", "libgtk-3-dev", "libgtk-4-dev"))


def test_a_name_that_says_nothing_gets_no_package() -> None:
    scene = Scene()
    missing_header(scene, "config.h")

    assert "-dev" not in scene.finding("missing-header").fix[0].text


def test_ubuntu_is_told_whose_name_that_is() -> None:
    scene = Scene(host={**DEBIAN, "distribution": "ubuntu", "distribution_version": "24.04"})
    missing_header(scene, "sqlite3.h")

    finding = scene.finding("missing-header")

    assert "in Debian 12" in finding.fix[0].text
    assert lines(finding) == ["apt-get install -y libsqlite3-dev"]


def test_alpine_gets_the_file_named() -> None:
    scene = Scene(host=ALPINE)
    missing_header(scene, "sqlite3.h")

    finding = scene.finding("missing-header")

    assert lines(finding) == []
    assert "libsqlite3-dev" not in finding.fix[0].text


def test_a_cross_build_needs_the_package_of_the_target() -> None:
    settings = {"GOARCH": "arm64", "CGO_ENABLED": "1", "CC": "aarch64-linux-gnu-gcc"}
    scene = Scene(env=settings, tools=settings, user="alice")
    with (
        scene.cgo("ex/hello") as cgo,
        scene.run(cgo, "aarch64-linux-gnu-gcc -E -dM x.c", 1) as gcc,
        scene.run(gcc, "/usr/lib/gcc-cross/aarch64-linux-gnu/12/cc1 -E x.c", 1) as cc1,
    ):
        scene.searches(cc1, "sqlite3.h", ["/usr/aarch64-linux-gnu/include", "/usr/include"], "openat")
        scene.story.writes(cc1, "a.go:3:11: fatal error: sqlite3.h: No such file or directory\n")

    fix = scene.finding("missing-header").fix[0]

    assert fix.command is not None
    assert fix.command[:3] == ("sudo", "sh", "-c")
    assert fix.command[3] == (
        "dpkg --add-architecture arm64 && apt-get update && apt-get install -y libsqlite3-dev:arm64"
    )


def test_a_header_that_lies_elsewhere_needs_a_flag() -> None:
    scene = Scene(env={"CGO_CFLAGS": "-DX"})
    missing_header(scene, "foo/foo.h")
    scene.story.fact("header", "foo/foo.h", found=["/opt/foo/include/foo/foo.h"])

    finding = scene.finding("missing-header")

    assert "though there is one in /opt/foo/include" in finding.message
    assert lines(finding) == ["env CGO_CFLAGS=-DX -I/opt/foo/include go build ."]
    assert any(evidence.event == "fact" for evidence in finding.evidence)


def test_many_packages_that_include_it_are_one_finding() -> None:
    scene = Scene()
    for number in range(12):
        missing_header(scene, "sqlite3.h", f"ex/p{number}")

    finding = scene.finding("missing-header")

    assert {f"package:ex/p{number}" for number in range(12)} <= finding.explains


def test_two_headers_are_two_root_causes_in_order() -> None:
    scene = Scene()
    missing_header(scene, "zlib.h", "ex/z")
    missing_header(scene, "sqlite3.h", "ex/s")

    assert [lines(finding)[0] for finding in scene.findings()] == [
        "apt-get install -y zlib1g-dev",
        "apt-get install -y libsqlite3-dev",
    ]


@pytest.mark.parametrize(
    "words",
    [
        "a.go:3:11: schwerwiegender Fehler: foo.h: Datei oder Verzeichnis nicht gefunden",
        "a.go:3:11: erreur fatale : foo.h : Aucun fichier ou dossier de ce type",
        "a.go:3:11: 致命错误：foo.h：没有那个文件或目录",
        "a.go:3:10: fatal error: 'foo.h' file not found",
        "a.go:3: fatal error: foo.h: No such file or directory",
    ],
)
def test_the_message_may_be_in_any_language(words: str) -> None:
    scene = Scene()
    with scene.cgo("ex/hello") as cgo, scene.run(cgo, GCC, 1) as gcc, scene.run(gcc, CC1, 1) as cc1:
        scene.searches(cc1, "foo.h", INCLUDE, "openat")
        scene.story.writes(cc1, words + "\n")

    assert scene.finding("missing-header").message.startswith("The header foo.h, which a.go:3 includes")


def test_clang_looks_itself() -> None:
    scene = Scene(env={"CC": "clang"}, tools={"CC": "clang"})
    with scene.cgo("ex/hello") as cgo, scene.run(cgo, "clang -E -dM x.c", 1) as clang:
        scene.searches(clang, "foo/foo.h", INCLUDE, "newfstatat")
        scene.story.writes(clang, "a.go:3:11: fatal error: 'foo/foo.h' file not found\n")

    assert "foo/foo.h" in scene.finding("missing-header").message


def test_the_words_may_come_in_pieces() -> None:
    scene = Scene()
    with scene.cgo("ex/hello") as cgo, scene.run(cgo, GCC, 1) as gcc, scene.run(gcc, CC1, 1) as cc1:
        scene.searches(cc1, "foo.h", INCLUDE, "openat")
        for piece in (
            "In file included from x.h:1,\n                 from a.go:3:\n",
            "/x.h:7:11: fatal error: ",
            "foo.h: No\n",
        ):
            scene.story.writes(cc1, piece)

    assert "/x.h:7:11: fatal error: foo.h: No" in proof(scene.finding("missing-header"))


def test_musl_gcc_gets_no_package_of_glibc() -> None:
    scene = Scene(env={"CC": "musl-gcc"}, tools={"CC": "musl-gcc"})
    with scene.cgo("ex/hello") as cgo, scene.run(cgo, "musl-gcc -E x.c", 1) as shell:
        specs = "/usr/lib/x86_64-linux-musl/musl-gcc.specs"
        with scene.run(shell, f"gcc -specs {specs} -E x.c", 1) as gcc:
            cc1 = f"{GCC_PARTS}/cc1 -E -nostdinc -isystem /usr/include/x86_64-linux-musl x.c"
            with scene.run(gcc, cc1, 1) as pid:
                scene.searches(pid, "openssl/ssl.h", ["/usr/include/x86_64-linux-musl"], "openat")
                scene.story.writes(pid, "a.go:3:11: fatal error: openssl/ssl.h: No such file or directory\n")

    finding = scene.finding("missing-header")

    assert lines(finding) == []
    assert "built for musl" in finding.fix[0].text


def test_optional_headers_are_no_finding() -> None:
    """__has_include searches all folders in vain and the compile goes on, until something else breaks it."""
    scene = Scene()
    with scene.cgo("ex/hello") as cgo, scene.run(cgo, GCC, 1) as gcc, scene.run(gcc, CC1, 1) as cc1:
        finds_stdc_predef(scene, cc1)
        scene.searches(cc1, "nope/nope.h", INCLUDE, "openat")
        scene.story.writes(cc1, "/home/u/hello/a.go:6:27: error: expected statement before ')' token\n")
        scene.story.writes(cc1, "    6 | // int f(void) { return ; ; ) }\n      |        ^\n")

    assert scene.findings() == []


def test_a_compile_that_cgo_expects_to_fail_is_none() -> None:
    scene = Scene()
    with scene.cgo("ex/hello", 0) as cgo, scene.run(cgo, GCC, 1) as gcc, scene.run(gcc, CC1, 1) as cc1:
        scene.searches(cc1, "foo.h", INCLUDE, "openat")
        scene.story.writes(cc1, "a.go:3:11: fatal error: foo.h: No such file or directory\n")

    assert scene.findings() == []


def test_a_configure_script_may_try_headers() -> None:
    scene = Scene("make all")
    with (
        scene.run(1, "sh ./configure") as configure,
        scene.run(configure, "gcc -c conftest.c", 1) as gcc,
        scene.run(gcc, CC1, 1) as cc1,
    ):
        scene.searches(cc1, "foo.h", INCLUDE, "openat")
        scene.story.writes(cc1, "conftest.c:3:11: fatal error: foo.h: No such file or directory\n")

    assert scene.findings() == []


def test_a_plain_makefile_has_the_finding_too() -> None:
    scene = Scene("make all", status=2)
    with scene.run(1, "gcc -c x.c", 1) as gcc, scene.run(gcc, CC1, 1) as cc1:
        scene.searches(cc1, "sqlite3.h", INCLUDE, "openat")
        scene.story.writes(cc1, "x.c:3:11: fatal error: sqlite3.h: No such file or directory\n")

    assert lines(scene.finding("missing-header")) == ["apt-get install -y libsqlite3-dev"]


def test_a_healthy_build() -> None:
    scene = Scene(status=0)
    healthy(scene)

    assert scene.findings() == []


def test_a_build_that_is_broken_by_go_code_alone() -> None:
    """All the noise of the healthy C parts, and an exit status of 1 for another reason."""
    scene = Scene(status=1)
    healthy(scene)
    scene.story.writes(1, "./main.go:3:2: declared and not used: x\n")

    assert scene.findings() == []


def test_a_header_in_quotes_is_looked_for_in_the_project() -> None:
    scene = Scene()
    missing_header(scene, "common.h", shows='    3 | // #include "common.h"')
    scene.story.fact("header", "common.h", found=["/usr/include/node/cppgc/common.h"], complete=True)

    finding = scene.finding("missing-header")

    assert lines(finding) == []
    assert "a file of the project's own" in finding.fix[0].text
    assert "cppgc" not in finding.message


def test_angle_brackets_name_a_library() -> None:
    scene = Scene()
    missing_header(scene, "glib.h", shows="    3 | // #include <glib.h>")

    assert lines(scene.finding("missing-header")) == ["apt-get install -y libglib2.0-dev"]


@pytest.mark.parametrize(
    "path",
    [
        "/usr/aarch64-linux-gnu/include/foo.h",
        "/usr/include/aarch64-linux-gnu/foo.h",
        "/usr/include/valgrind/foo.h",
        "/usr/include/linux/foo.h",
    ],
)
def test_folders_of_other_targets_and_other_libraries_are_no_help(path: str) -> None:
    scene = Scene()
    missing_header(scene, "foo.h")
    scene.story.fact("header", "foo.h", found=[path], complete=True)

    finding = scene.finding("missing-header")

    assert "though there is one" not in finding.message
    assert lines(finding) == []


def test_a_folder_of_the_cross_builds_own_target_helps() -> None:
    settings = {"GOARCH": "arm64", "CGO_ENABLED": "1", "CC": "aarch64-linux-gnu-gcc"}
    scene = Scene(env=settings, tools=settings)
    missing_header(scene, "foo.h", cc="aarch64-linux-gnu-gcc")
    scene.story.fact("header", "foo.h", found=["/usr/include/foo/foo.h", "/usr/aarch64-linux-gnu/include/foo/foo.h"])

    assert "though there is one in /usr/aarch64-linux-gnu/include/foo" in scene.finding("missing-header").message


def test_a_system_header_of_a_vendored_package_needs_its_library() -> None:
    scene = Scene()
    place = "/home/u/app/vendor/ex/lib/lib.go"
    missing_header(scene, "zlib.h", "ex/lib", place=place, shows="    4 | // #include <zlib.h>")

    assert lines(scene.finding("missing-header")) == ["apt-get install -y zlib1g-dev"]


HOSTS = "/usr/include/x86_64-linux-gnu"


@pytest.mark.parametrize(
    ("setting", "fixed", "origin"),
    [
        ({"CGO_CFLAGS": f"-O1 -I{HOSTS}"}, "CGO_CFLAGS=-O1", "in CGO_CFLAGS"),
        ({"CGO_CFLAGS": f"-isystem {HOSTS}"}, "CGO_CFLAGS=", "in CGO_CFLAGS"),
        ({"CPATH": HOSTS}, "CPATH=", "in CPATH"),
        ({}, "", "from a #cgo line of package runtime/cgo"),
    ],
)
def test_the_hosts_folder_in_a_cross_build(setting: dict[str, str], fixed: str, origin: str) -> None:
    settings = {"GOARCH": "arm64", "CGO_ENABLED": "1", "CC": "aarch64-linux-gnu-gcc", **setting}
    scene = Scene(env=settings, tools=settings)
    flags = setting.get("CGO_CFLAGS", "" if "CPATH" in setting else f"-I{HOSTS}")
    for header in ("gnu/stubs-32.h", "stdlib.h"):
        place = f"{HOSTS}/gnu/stubs.h"
        missing_header(scene, header, "runtime/cgo", cc=f"aarch64-linux-gnu-gcc {flags}", place=place)

    finding = scene.finding("missing-header")

    assert f"({origin}) brings headers for linux/amd64 into a build for linux/arm64" in finding.message
    assert "1 more header is missing for the same reason" in finding.message
    assert [f" {fixed} " in line for line in lines(finding)] == [True] * bool(fixed)
    assert finding.fix[0].text.startswith("Drop ")


def test_the_targets_own_folder_misleads_nobody() -> None:
    settings = {"GOARCH": "arm64", "CGO_ENABLED": "1", "CC": "aarch64-linux-gnu-gcc"}
    scene = Scene(env=settings, tools=settings)
    own = "/usr/include/aarch64-linux-gnu"
    missing_header(scene, "foo.h", cc=f"aarch64-linux-gnu-gcc -I{own}", place=f"{own}/x.h")

    assert "brings headers" not in scene.finding("missing-header").message


def test_many_headers_that_one_option_hides_are_one_finding() -> None:
    scene = Scene(env={"CGO_CFLAGS": "--sysroot=/nonexist -O1"})
    for header in ("stdlib.h", "stdio.h", "errno.h"):
        missing_header(scene, header, "runtime/cgo", cc="gcc --sysroot=/nonexist -O1")

    finding = scene.finding("missing-header")

    assert "--sysroot=/nonexist (in CGO_CFLAGS) keeps the compiler from the C library's headers" in finding.message
    assert "2 more headers are missing for the same reason (stdio.h, errno.h)" in finding.message
    assert lines(finding) == ["env CGO_CFLAGS=-O1 go build ."]
