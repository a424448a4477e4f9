"""unwritable-compiler-cache: ccache without a folder for its files."""

from __future__ import annotations

from errno import EACCES, EEXIST, ENOENT, EROFS

from tests.unit.rules.scenes import Scene, lines
from tests.unit.rules.test_recordings import diagnosis_of

NAME = "unwritable-compiler-cache"
CACHE = "/var/cache/ccache"
SAID = f"ccache: error: Failed to create directory {CACHE}/tmp: Read-only file system\n"


def compiles(
    scene: Scene, *calls: tuple[str, int, str], words: str = SAID, cc: str = "ccache gcc", starts: bool = False
) -> None:
    """One C file of runtime/cgo that was not compiled."""
    with scene.cgo("runtime/cgo", 0):
        pass
    with scene.run(1, f"{cc} -I /usr/local/go/src/runtime/cgo -o x.o -c gcc_util.c", 1) as pid:
        for call, errno, path in calls:
            scene.story.fails(pid, call, errno, path)
        scene.story.writes(pid, words)
        if starts:
            with scene.run(pid, "gcc -o x.o -c gcc_util.c", 1):
                pass


def refused(*calls: tuple[str, int, str], words: str = SAID, cc: str = "ccache gcc", starts: bool = False) -> Scene:
    scene = Scene(env={"CGO_ENABLED": "1", "CC": cc, "CCACHE_DIR": CACHE})
    compiles(scene, *calls, words=words, cc=cc, starts=starts)
    return scene


MKDIR = ("mkdir", EROFS, f"{CACHE}/tmp")


def test_the_recording() -> None:
    assert [finding.name for finding in diagnosis_of(NAME).findings] == [NAME]


def test_a_folder_that_cannot_be_made() -> None:
    finding = refused(MKDIR).finding(NAME)

    assert finding.message == (f"ccache cannot make {CACHE}/tmp (CCACHE_DIR={CACHE}): its file system is read-only.")
    assert lines(finding) == ["env CGO_ENABLED=1 CC=ccache gcc CCACHE_DISABLE=1 go build ."]
    assert finding.confidence == 1.0


def test_its_words_are_not_needed() -> None:
    scene = refused(("newfstatat", ENOENT, f"{CACHE}/tmp"), ("mkdirat", EACCES, CACHE), words="")
    assert "permission is denied" in scene.finding(NAME).message


def test_a_folder_that_is_there_and_takes_no_file() -> None:
    path = f"{CACHE}/tmp/cpp_stdout.tmp.YNLjRs.i"
    words = f"ccache: error: Failed to create temporary file for {path}: Read-only file system\n"
    assert path in refused(("openat", EROFS, path), words=words).finding(NAME).message


def test_a_link_to_it_is_known_by_its_path_or_its_words() -> None:
    assert refused(MKDIR, cc="/usr/lib/ccache/gcc", words="").finding(NAME)
    assert refused(MKDIR, cc="/home/u/bin/gcc").finding(NAME)


def test_many_files_are_one_finding() -> None:
    scene = refused(MKDIR)
    compiles(scene, MKDIR)

    finding = scene.finding(NAME)

    assert len([key for key in finding.explains if key.startswith("span:")]) == 2


def test_cgos_questions_are_answered_by_ccache() -> None:
    """cgo wants errors of the compiler, and gets one of ccache."""
    scene = Scene(env={"CC": "ccache gcc", "CCACHE_DIR": CACHE})
    guess = "ccache gcc -w -Wno-error -c -m64 -O0 -fdiagnostics-color=never -I . /tmp/cgo-gcc-input-2.c"
    with scene.cgo("ex/hello") as cgo:
        with scene.run(cgo, guess, 1) as pid:
            scene.story.fails(pid, *MKDIR[:2], MKDIR[2])
            scene.story.writes(pid, SAID)
        scene.story.writes(cgo, "cgo: ccache did not produce error at completed:1\n")

    finding = scene.finding(NAME)

    assert f"span:{cgo}:" in " ".join(finding.explains)


def test_another_compiler_that_may_not_make_a_folder() -> None:
    assert refused(MKDIR, cc="zig cc", words="").findings() == []


def test_a_folder_that_is_there_is_no_refusal() -> None:
    assert refused(("mkdir", EEXIST, CACHE), words="").findings() == []


def test_a_compiler_ran() -> None:
    assert refused(MKDIR, starts=True).findings() == []
