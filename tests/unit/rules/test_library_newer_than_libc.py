"""library-newer-than-libc: what is undefined came with a later release than the one that is linked with."""

from __future__ import annotations

import pytest

from tests.unit.rules.links import HERE, archive, fails_to_link
from tests.unit.rules.scenes import Scene, lines, proof

SHARED = f"{HERE}/libanswer.so"
ARCHIVE = f"{HERE}/libanswer.a"
CREATE = f"/usr/bin/ld: {SHARED}: undefined reference to `pthread_create@GLIBC_2.34'"
JOIN = f"/usr/bin/ld: {SHARED}: undefined reference to `pthread_join@GLIBC_2.34'"
ISOC23 = "answer.c:(.text+0x10): undefined reference to `__isoc23_strtol'"
THROW = "answer.cc:(.text+0x97): undefined reference to `std::__throw_bad_array_new_length()'"
SINGLE = "answer.cc:(.text+0x20): undefined reference to `__libc_single_threaded'"


def test_a_shared_library_asks_for_a_version_by_name() -> None:
    scene = Scene()
    fails_to_link(scene, "-lanswer", JOIN, CREATE)

    finding = scene.finding("library-newer-than-libc")

    assert finding.message == (
        f"{SHARED} was made for glibc 2.34 or newer: it needs pthread_join@GLIBC_2.34 and 1 more, which the one that "
        "this build links with does not have."
    )
    assert finding.confidence == 1.0
    assert "pthread_join@GLIBC_2.34" in proof(finding)
    assert [fix.text for fix in finding.fix] == [
        "Build libanswer.so on this system, or take one that was built on a system no newer than this one.",
        "Or build on a system with glibc 2.34 or newer, such as Debian 12 or Ubuntu 22.04. The program, unless it is "
        "linked statically, then needs as new a system to run on.",
    ]


@pytest.mark.parametrize(
    "line",
    [
        f"/usr/bin/ld: {SHARED}: Nicht definierter Verweis auf »pthread_create@GLIBC_2.34«",
        f"/usr/bin/ld: {SHARED} : référence indéfinie vers « pthread_create@GLIBC_2.34 »",
        f"ld.gold: error: {SHARED}: undefined reference to 'pthread_create@GLIBC_2.34'",
    ],
)
def test_other_languages_and_linkers(line: str) -> None:
    scene = Scene()
    fails_to_link(scene, "-lanswer", line)

    assert scene.finding("library-newer-than-libc").message.startswith(f"{SHARED} was made for glibc 2.34 or newer")


def test_lld_names_the_library_in_another_line() -> None:
    scene = Scene()
    lines = [
        "ld.lld: error: undefined reference due to --no-allow-shlib-undefined: pthread_create@GLIBC_2.34",
        f">>> referenced by {SHARED}",
    ]
    fails_to_link(scene, "-lanswer", *lines)

    assert scene.finding("library-newer-than-libc").message.startswith(f"{SHARED} was made for glibc 2.34 or newer")


def test_the_latest_version_counts_and_each_library_is_told() -> None:
    scene = Scene()
    fails_to_link(
        scene,
        "-lanswer",
        f"ld: {SHARED}: undefined reference to `fstat64@GLIBC_2.33'",
        f"ld: {SHARED}: undefined reference to `__isoc23_strtol@GLIBC_2.38'",
        f"ld: {SHARED}: undefined reference to `std::__throw_bad_array_new_length()@GLIBCXX_3.4.29'",
    )

    assert scene.finding("library-newer-than-libc").message == (
        f"{SHARED} was made for glibc 2.38 or newer and the libstdc++ of GCC 11.1 or newer: it needs "
        "__isoc23_strtol@GLIBC_2.38 and std::__throw_bad_array_new_length()@GLIBCXX_3.4.29 and 1 more, which those "
        "that this build links with do not have."
    )


def test_a_library_that_lacks_old_versions_too_is_linked_with_another_libc() -> None:
    scene = Scene()
    fails_to_link(scene, "-lanswer", CREATE, f"/usr/bin/ld: {SHARED}: undefined reference to `malloc@GLIBC_2.2.5'")

    assert scene.findings() == []


def test_versions_of_other_libraries_say_nothing() -> None:
    scene = Scene()
    fails_to_link(scene, "-lanswer", f"/usr/bin/ld: {SHARED}: undefined reference to `SSL_new@OPENSSL_3.0.0'")

    assert scene.findings() == []


def test_a_build_for_musl_has_no_glibc_at_all() -> None:
    scene = Scene()
    fails_to_link(scene, "-lanswer", CREATE, command="musl-gcc -m64")

    assert scene.findings() == []


def test_an_archive_needs_a_name_of_a_later_glibc() -> None:
    scene = Scene()
    ld = fails_to_link(scene, "-lanswer", ISOC23)
    archive(scene, ld, ARCHIVE, 4, argument="-lanswer", needs=["__isoc23_strtol"])

    finding = scene.finding("library-newer-than-libc")

    assert finding.message == (
        f"{ARCHIVE} was made for glibc 2.38 or newer: it needs __isoc23_strtol, which the one that this build links "
        "with does not have."
    )
    assert finding.confidence == 1.0
    assert finding.fix[1].text.startswith(
        "Or build on a system with glibc 2.38 or newer, such as Debian 13 or Ubuntu 24.04"
    )


def test_an_archive_of_a_module() -> None:
    path = "/home/u/go/pkg/mod/github.com/x/y@v1.0.0/deps/liby.a"
    scene = Scene()
    ld = fails_to_link(scene, "-ly", ISOC23)
    archive(scene, ld, path, 4, argument="-ly", needs=["__isoc23_strtol"])

    assert "another release of the module that ships it" in scene.finding("library-newer-than-libc").fix[0].text


def test_an_archive_of_a_newer_compiler() -> None:
    scene = Scene()
    ld = fails_to_link(scene, "-lanswer -lstdc++", SINGLE, THROW)
    archive(scene, ld, ARCHIVE, 4, argument="-lanswer", needs=["__libc_single_threaded"], cplusplus=["_Znwm"])

    finding = scene.finding("library-newer-than-libc")

    assert finding.message.startswith(
        f"{ARCHIVE} was made for glibc 2.32 or newer and the libstdc++ of GCC 11.1 or newer: it needs "
        "__libc_single_threaded and std::__throw_bad_array_new_length(), which those"
    )
    assert finding.confidence == 0.8, "names in C++ were not looked up in the archive"


def test_without_the_cpp_library_that_is_the_cause() -> None:
    scene = Scene()
    ld = fails_to_link(scene, "-lanswer", THROW)
    archive(scene, ld, ARCHIVE, 4, argument="-lanswer", cplusplus=["_Znwm"])

    assert [finding.name for finding in scene.findings()] == ["cpp-runtime-missing"]


@pytest.mark.parametrize("line", [ISOC23.replace("__isoc23_strtol", "sqlite3_open"), ISOC23])
def test_no_archive_is_known_to_need_it(line: str) -> None:
    """Code that is compiled here knows the names of this system's headers only; it may define or declare its own."""
    scene = Scene()
    fails_to_link(scene, "-lanswer", line)

    assert scene.findings() == []


def test_a_name_that_an_archive_defines_itself_is_not_the_libcs() -> None:
    scene = Scene()
    ld = fails_to_link(scene, "-lb -la", "a.o: in function `a':", "a.c:(.text+0x5): undefined reference to `strlcpy'")
    archive(scene, ld, f"{HERE}/libb.a", 3, argument="-lb", defines=["strlcpy"])
    archive(scene, ld, f"{HERE}/liba.a", 4, argument="-la", needs=["strlcpy"])

    assert [finding.name for finding in scene.findings()] == ["link-order"]


def test_zig_links_for_the_glibc_that_its_target_names() -> None:
    cc = "zig cc -target x86_64-linux-gnu.2.31"
    scene = Scene(env={"CC": cc})
    with (
        scene.link() as link,
        scene.run(link, f"{cc} -m64 -o a.out {HERE}/go.o -lanswer", 1) as zig,
        scene.run(zig, "zig ld.lld -o a.out go.o -lanswer", 1) as lld,
    ):
        scene.story.writes(
            lld, f"ld.lld: error: undefined reference: pthread_create@GLIBC_2.34\n>>> referenced by {SHARED}\n"
        )
    scene.story.fact("compiler", "/usr/bin/zig", family="zig", target="x86_64-unknown-linux-musl", arguments=[])

    finding = scene.finding("library-newer-than-libc")

    assert finding.message.startswith(f"{SHARED} was made for glibc 2.34 or newer: it needs pthread_create@GLIBC_2.34,")
    assert lines(finding) == ["env CC=zig cc -target x86_64-linux-gnu.2.34 go build ."]
    assert finding.fix[1].text.startswith("Build libanswer.so on this system")
