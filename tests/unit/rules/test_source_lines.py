"""From a finding to the line of the source that asked for what failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotrace.rules.finding import Source
from tests.unit.rules.links import archive, fails_to_link
from tests.unit.rules.scenes import CC1, GCC, LIBRARY, PATH, Scene, missing_header
from tests.unit.rules.test_recordings import diagnosis_of

HERE = "/home/u/hello"
Line = tuple[int, int, str]


def reads(
    scene: Scene,
    *lines: Line,
    package: str = "ex/hello",
    folder: str = HERE,
    name: str = "a.go",
    pid: int = 1,
    import_c: Sequence[int] = (9, 8),
) -> None:
    """What the capture read of a package with one cgo file."""
    files = [{"name": name, "import_c": list(import_c), "lines": [list(line) for line in lines]}]
    scene.story.fact("cgosource", package, dir=folder, files=files, pid=pid)


def place(source: Source | None) -> str:
    return "" if source is None else f"{source.file}:{source.line}:{source.column}: {source.text}"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vendored-files-missing", 'vendor/example.org/lib/lib.go:4:13: #include "lib.h"'),
        ("refused-cgo-flag", "main.go:3:18: #cgo LDFLAGS: -Wl,--sort-section=name"),
        ("link-order", "main.go:3:34: #cgo LDFLAGS: -L${SRCDIR}/lib -lb -la"),
        ("pkg-config-package-missing", "main.go:3:21: #cgo pkg-config: foo"),
    ],
)
def test_what_the_real_builds_of_the_recordings_asked_for(name: str, expected: str) -> None:
    source = diagnosis_of(name).findings[0].source
    assert source is not None
    assert place(source).endswith(f"/reproduce/{expected}")
    assert source.package in ("scenario", "example.org/lib")


def test_in_an_older_recording_the_compilers_own_words_say_where_a_header_is_included() -> None:
    source = diagnosis_of("missing-header").findings[0].source
    assert place(source).endswith("/app/main.go:3:11: #include <foo/foo.h>")


def test_a_header_of_a_preamble() -> None:
    scene = Scene()
    missing_header(scene, "größe.h")
    reads(scene, (2, 4, "#cgo LDFLAGS: -lgröße.h"), (3, 4, '#include "größe.h"'))
    assert place(scene.finding("missing-header").source) == f'{HERE}/a.go:3:13: #include "größe.h"'


def test_a_header_that_a_c_file_of_the_package_includes() -> None:
    scene = Scene()
    missing_header(scene, "foo.h", place="x.c", shows='    3 | #include "foo.h"')
    reads(scene)
    assert place(scene.finding("missing-header").source) == f'{HERE}/x.c:3:11: #include "foo.h"'


@pytest.mark.parametrize("words", ["In file included from {}:5,", "En el fichero incluido desde {}:5:"])
def test_a_header_that_another_header_includes_is_asked_for_by_what_included_that(words: str) -> None:
    scene = Scene()
    with (
        scene.cgo("ex/hello") as cgo,
        scene.run(cgo, GCC, 1) as gcc,
        scene.run(gcc, CC1, 1) as cc1,
    ):
        scene.searches(cc1, "deep.h", ["/usr/local/include", "/usr/include"], "openat")
        scene.story.writes(cc1, words.format(f"{HERE}/a.go") + "\n")
        scene.story.writes(cc1, "/usr/include/top.h:3:10: fatal error: deep.h: No such file or directory\n")
    reads(scene, (4, 4, "#include <first.h>"), (5, 4, "#include <top.h>"))
    assert place(scene.finding("missing-header").source) == f"{HERE}/a.go:5:4: #include <top.h>"


def lacks_library(scene: Scene, name: str = "foo") -> None:
    with (
        scene.link() as link,
        scene.run(link, f"gcc -m64 -o a.out -l{name}", 1) as gcc,
        scene.run(gcc, f"collect2 -l{name}", 1) as collect2,
        scene.run(collect2, f"/usr/bin/ld -L/usr/lib -l{name}", 1) as ld,
    ):
        for suffix in ("so", "a"):
            scene.searches(ld, f"lib{name}.{suffix}", LIBRARY, "openat")
        scene.story.writes(ld, f"/usr/bin/ld: cannot find -l{name}: No such file or directory\n")


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("#cgo LDFLAGS: -lfoobar -lfoo", 27),
        ("#cgo LDFLAGS:-lfoo", 17),
        ('#cgo linux LDFLAGS: "-lfoo"', 24),
        ("#cgo windows linux,amd64 LDFLAGS: -lfoo", 38),
        ("#cgo !windows LDFLAGS: -lfoo", 27),
        ("#cgo unix LDFLAGS: -lfoo", 23),
        ("#cgo sqlite LDFLAGS: -lfoo", 25),
    ],
)
def test_a_library_of_a_cgo_line(line: str, column: int) -> None:
    scene = Scene("go build -tags sqlite,other .")
    scene.go_env()
    lacks_library(scene)
    reads(scene, (2, 4, "#cgo LDFLAGS: -lother"), (3, 4, line))
    assert place(scene.finding("missing-library").source) == f"{HERE}/a.go:3:{column}: {line}"


@pytest.mark.parametrize(
    "line",
    [
        "#cgo windows LDFLAGS: -lfoo",
        "#cgo linux,arm64 LDFLAGS: -lfoo",
        "#cgo sqlite LDFLAGS: -lfoo",
        "#cgo !linux LDFLAGS: -lfoo",
        "#cgo LDFLAGS: -lfoobar",
        "#cgo pkg-config: -lfoo",
        "#cgo",
        "#cgo :",
    ],
)
def test_a_line_that_does_not_count_in_this_build_is_not_blamed(line: str) -> None:
    scene = Scene()
    scene.go_env()
    lacks_library(scene)
    reads(scene, (3, 4, line))
    assert scene.finding("missing-library").source is None


def test_a_library_that_pkg_config_answered_is_asked_for_by_the_name_of_its_package() -> None:
    scene = Scene()
    with scene.run(1, "pkg-config --libs -- other both"):
        pass
    lacks_library(scene)
    scene.story.fact("pkgconfig_libs", "--libs -- other both", flags=["-lbar", "-lfoo"])
    reads(scene, (3, 4, "#cgo pkg-config: both other"))
    assert place(scene.finding("missing-library").source) == f"{HERE}/a.go:3:26: #cgo pkg-config: both other"


def test_an_archive_that_is_given_by_its_path() -> None:
    scene = Scene()
    words = f"{HERE}/lib/libb.a -la"
    ld = fails_to_link(scene, words, "liba.a(a.o): in function `a':", "a.c:(.text+0x5): undefined reference to `b'")
    archive(scene, ld, f"{HERE}/lib/libb.a", 5, defines=["b"])
    archive(scene, ld, f"{HERE}/lib/liba.a", 6, argument="-la", needs=["b"])
    reads(scene, (3, 4, "#cgo LDFLAGS: ${SRCDIR}/lib/libb.a -la"))
    found = scene.finding("link-order").source
    assert place(found) == f"{HERE}/a.go:3:18: #cgo LDFLAGS: ${{SRCDIR}}/lib/libb.a -la"


def lacks_compiler(scene: Scene, package: str) -> None:
    with scene.cgo(package) as cgo:
        scene.searches(cgo, "gcc", PATH)
        scene.story.writes(cgo, 'cgo: C compiler "gcc" not found: exec: "gcc": executable file not found in $PATH\n')


def test_a_compiler_is_asked_for_by_the_import() -> None:
    scene = Scene()
    lacks_compiler(scene, "ex/hello/sub")
    reads(scene)
    reads(scene, package="ex/hello/sub", folder=f"{HERE}/sub", import_c=(3, 8))
    source = scene.finding("compiler-not-found").source
    assert place(source) == f'{HERE}/sub/a.go:3:8: import "C"'
    assert source is not None
    assert source.package == "ex/hello/sub"


def test_the_standard_library_needs_c_because_a_package_of_the_build_does() -> None:
    scene = Scene()
    lacks_compiler(scene, "runtime/cgo")
    reads(scene)
    reads(scene, package="ex/other", folder="/elsewhere")
    assert place(scene.finding("compiler-not-found").source) == f'{HERE}/a.go:9:8: import "C"'


def test_a_package_without_cgo_files_is_not_told_by_those_of_another() -> None:
    scene = Scene()
    scene.story.writes(1, "package ex/other: C source files not allowed when not using cgo or SWIG: x.c\n")
    reads(scene)
    assert scene.finding("c-files-without-cgo").source is None


def test_the_lines_of_another_go_command_do_not_count() -> None:
    scene = Scene()
    lacks_compiler(scene, "ex/hello")
    reads(scene, pid=77, folder="/elsewhere")
    reads(scene)
    assert place(scene.finding("compiler-not-found").source) == f'{HERE}/a.go:9:8: import "C"'


def test_a_package_that_lost_its_cgo_files_is_told_by_go_list() -> None:
    scene = Scene(tools={"CGO_ENABLED": "0"}, env={"GOARCH": "arm64"}, status=0)
    scene.go_env(GOARCH="arm64", CGO_ENABLED="0")
    scene.lost_package("ex/hello", files=["b.go"], others=1)
    assert place(scene.finding("cgo-disabled").source) == f'{HERE}/b.go:7:8: import "C"'


def test_where_nobody_read_the_files_nothing_is_named() -> None:
    scene = Scene()
    lacks_compiler(scene, "ex/hello")
    assert scene.finding("compiler-not-found").source is None


@pytest.mark.parametrize("number", ["0", "9" * 5000])
def test_no_number_of_a_tool_is_too_large(number: str) -> None:
    scene = Scene()
    with scene.cgo("ex/hello") as cgo, scene.run(cgo, GCC, 1) as gcc, scene.run(gcc, CC1, 1) as cc1:
        scene.searches(cc1, "foo.h", ["/usr/local/include", "/usr/include"], "openat")
        scene.story.writes(cc1, f"x.c:{number}:{number}: fatal error: foo.h: No such file or directory\n")
    scene.story.fact("gopackage", "ex/hello", dir=HERE, import_c=f"a.go:{number}:{number}", pid=1)
    source = scene.finding("missing-header").source
    assert source is not None
    assert 0 < source.line < 10**9


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["name", "lines", "import_c"]), inner),
    max_leaves=12,
)


@given(
    st.dictionaries(st.sampled_from(["dir", "files", "import_c"]), _JSON), st.sampled_from(["cgosource", "gopackage"])
)
def test_a_fact_of_any_form_costs_no_finding(data: Mapping[str, Any], name: str) -> None:
    scene = Scene()
    lacks_library(scene)
    scene.story.fact(name, "ex/hello", **data)
    assert scene.finding("missing-library").name == "missing-library"


@given(st.text(max_size=40))
def test_a_line_of_any_text_costs_no_finding(text: str) -> None:
    for line in (text, f"#cgo {text}", f"#include {text}"):
        scene = Scene()
        lacks_library(scene)
        reads(scene, (3, 4, line))
        assert scene.finding("missing-library").name == "missing-library"
