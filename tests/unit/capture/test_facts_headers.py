"""Headers that a compiler did not find, and where they lie."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotrace.capture.facts.headers import common_name, find_headers, missing_header
from gotrace.capture.facts.processes import Processes
from tests.stories import Story

_CC1 = "/usr/lib/gcc/x86_64-linux-gnu/12/cc1"
_GCC_INCLUDE = "/usr/lib/gcc/x86_64-linux-gnu/12/include"


def compiling(*missing: str, says: str = "", program: str = _CC1, syscall: str = "openat") -> str | None:
    story = Story()
    pid = story.starts(program, "-E", "x.c")
    story.misses(pid, *missing, syscall=syscall)
    story.says(pid, says)
    story.ends(pid, status=1)
    (life,) = Processes(story.events)
    return missing_header(life)


def test_the_name_is_what_the_look_ups_have_in_common() -> None:
    assert (
        compiling(
            f"{_GCC_INCLUDE}/stdio.h",
            "/usr/local/include/stdio.h",
            "/tmp/go-build1/b001/foo/foo.h",
            "./foo/foo.h",
            f"{_GCC_INCLUDE}/foo/foo.h",
            "/usr/local/include/foo/foo.h",
            "/usr/include/foo/foo.h",
        )
        == "foo/foo.h"
    )


def test_search_folders_called_include_are_no_part_of_it() -> None:
    assert compiling("/opt/a/include/foo.h", "/usr/local/include/foo.h", "/usr/include/foo.h") == "foo.h"


def test_precompiled_headers_and_catalogues_are_passed_over() -> None:
    assert compiling("a/foo.h.gch", "a/foo.h", "b/foo.h.gch", "b/foo.h", "/usr/share/locale/de/gcc.mo") == "foo.h"


def test_the_compilers_words_decide_in_any_language() -> None:
    text = "x.c:1:10: schwerwiegender Fehler: lib/foo.h: Datei oder Verzeichnis nicht gefunden\n"
    assert compiling("/inc/lib/foo.h", says=text) == "lib/foo.h"
    assert compiling("/inc/lib/foo.h", says="x.c:1:10: fatal error: 'foo.h' file not found\n") == "foo.h"


def test_a_compiler_that_complains_of_something_else_misses_no_header() -> None:
    assert compiling("/inc/stdio.h", says="x.c:3:1: error: expected ';' before '}'\n") is None


def test_a_header_without_a_suffix_is_one_in_the_compiler_proper_only() -> None:
    paths = ("/usr/include/c++/12/Eigen/Dense", "/usr/include/Eigen/Dense")
    assert compiling(*paths) == "Eigen/Dense"
    assert compiling("/usr/lib/gcc/specs", "/usr/lib/specs", program="/usr/bin/gcc") is None


def test_only_look_ups_count() -> None:
    assert compiling("/usr/include/foo.h", syscall="readlink") is None
    assert compiling() is None


_PARTS = st.lists(st.sampled_from(["usr", "include", "foo", "bar.h", "..", "."]), min_size=1, max_size=5)


@given(st.lists(_PARTS.map("/".join).map(PurePosixPath), min_size=1, max_size=5))
def test_the_common_name_is_an_end_of_every_path(paths: list[PurePosixPath]) -> None:
    name = common_name(paths)
    assert not name.startswith("/")
    assert all(f"/{path}".endswith(name) for path in paths)


def place(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_the_whole_relative_name_comes_before_the_mere_file_name(tmp_path: Path) -> None:
    place(tmp_path, "a/foo.h", "z/lib/foo.h", "z/lib/foobar.h")
    search = find_headers(["lib/foo.h"], [str(tmp_path)], seconds=60)
    assert search.found == {"lib/foo.h": [f"{tmp_path}/z/lib/foo.h", f"{tmp_path}/a/foo.h"]}
    assert search.complete


def test_two_headers_of_one_file_name_are_both_looked_for(tmp_path: Path) -> None:
    place(tmp_path, "x/v.h")
    search = find_headers(["x/v.h", "y/v.h"], [str(tmp_path)], seconds=60)
    assert search.found.keys() == {"x/v.h", "y/v.h"}


@pytest.mark.parametrize(("entries", "seconds"), [(3, 60.0), (1000, 0.0)])
def test_a_look_round_that_was_cut_short_says_so(tmp_path: Path, entries: int, seconds: float) -> None:
    place(tmp_path, *(f"{number}.h" for number in range(10)))
    assert not find_headers(["no.h"], [str(tmp_path)], entries=entries, seconds=seconds).complete


def test_folders_that_go_round_in_circles_are_seen_once(tmp_path: Path) -> None:
    place(tmp_path, "a/foo.h")
    (tmp_path / "a" / "up").symlink_to("..")
    roots = [str(tmp_path), str(tmp_path / "a" / "up"), str(tmp_path / "none")]
    assert find_headers(["foo.h"], roots, seconds=60).found == {"foo.h": [f"{tmp_path}/a/foo.h"]}
