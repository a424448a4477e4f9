"""Roles, packages and probes of the tool runs of a go build, on command lines of go 1.26."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pytest

from gotrace.events.tools import Role
from gotrace.trace.argv import flag_value, work_folder
from gotrace.trace.model import Span
from tests.unit.trace import go126
from tests.unit.trace.events_for import GO_ENV, TOOLS, WORK, Story

_STARTERS = {Role.GO: "go build ./...", Role.CGO: go126.CGO, Role.LINK: go126.LINK, Role.OTHER: "make all"}


def _span(
    command: str, under: Role = Role.GO, *, status: int = 0, starter_status: int = 0, before: Sequence[str] = ()
) -> Span:
    """The span of `command`, run by a go tool."""
    story = Story()
    with story.process(1, _STARTERS[under], status=starter_status):
        for pid, earlier in enumerate(before, start=50):
            story.runs(pid, earlier, parent=1)
        story.runs(2, command, parent=1, status=status)
    return next(span for span in story.trace().spans if span.process.pid == 2)


# --- packages -----------------------------------------------------------------------------------------------------


def _packages() -> dict[int, str | None]:
    story = Story()
    go126.go_build(story)
    return {span.process.pid: span.package for span in story.trace().spans}


def test_each_tool_run_of_a_build_gets_its_package() -> None:
    packages = _packages()
    assert packages == {
        1: None,  # go itself
        2: None,  # compile -V=full
        3: "sync",
        4: None,  # gcc -###
        5: "ex/mini/sub",  # cgo, its gcc runs and their cc1
        **dict.fromkeys((6, 7, 8, 106, 107, 108), "ex/mini/sub"),
        **dict.fromkeys((9, 10, 110, 210), "ex/mini/sub"),  # gcc run by go itself, told by $WORK/b002
        **dict.fromkeys((11, 12, 13), "ex/mini/sub"),
        14: "ex/mini",
        15: "ex/mini",  # compile says -p main; cgo told the import path
        **dict.fromkeys((16, 17, 18, 19, 20), "ex/mini"),  # link and what it runs
    }


@pytest.mark.parametrize(
    ("command", "cwd"),
    [
        ("pkg-config --cflags -- zlib", "/home/u/mini/sub"),
        (f"{TOOLS}/vet -printf {WORK}/b077/vet.cfg", "/home/u/mini/sub"),
        (f"{WORK}/b001/sub.test -test.timeout=10m0s", "/home/u/mini/sub"),
    ],
)
def test_a_run_that_names_no_known_work_folder_belongs_to_the_package_it_runs_in(command: str, cwd: str) -> None:
    story = Story()
    with story.process(1, "go test ./..."):
        story.runs(2, command, parent=1, cwd=cwd)
    story.fact("gopackage", "ex/mini/sub", dir="/home/u/mini/sub")
    assert story.trace().spans[1].package == "ex/mini/sub"


def test_a_package_main_gets_its_import_path_from_where_its_files_lie() -> None:
    story = Story()
    compile_ = f"{TOOLS}/compile -o {WORK}/b001/_pkg_.a -trimpath {WORK}/b001=> -p main -pack ./main.go"
    with story.process(1, "go build"):
        story.runs(2, compile_, parent=1, cwd="/home/u/mini")
        story.runs(3, go126.LINK, parent=1)
    assert [span.package for span in story.trace().spans] == [None, "/home/u/mini", "/home/u/mini"]

    story.fact("gopackage", "ex/mini", dir="/home/u/mini")
    assert [span.package for span in story.trace().spans] == [None, "ex/mini", "ex/mini"]


def test_the_external_test_package_does_not_give_its_name_to_the_folder() -> None:
    compile_ = f"{TOOLS}/compile -o {WORK}/b009/_pkg_.a -p ex/mini/sub_test -pack /home/u/mini/sub/ext_test.go"
    story = Story()
    with story.process(1, "go test ./sub"):
        story.runs(2, compile_, parent=1)
        story.runs(3, go126.CGO, parent=1)
        story.runs(4, "pkg-config --cflags -- zlib", parent=1, cwd="/home/u/mini/sub")
    packages = [span.package for span in story.trace().spans]
    assert packages == [None, "ex/mini/sub_test", "ex/mini/sub", "ex/mini/sub"]


def test_what_a_test_starts_belongs_to_no_package() -> None:
    story = Story()
    with story.process(1, "go test ./sub", cwd="/home/u/mini"):
        story.runs(2, go126.CGO, parent=1)
        with story.process(3, go126.TEST_BINARY, parent=1, cwd="/home/u/mini/sub"):
            story.runs(4, "git log", parent=3, cwd="/home/u/mini/sub")
    _go, _cgo, test, git = story.trace().spans
    assert (test.role, test.package) == (Role.TEST_BINARY, "ex/mini/sub")
    assert git.package is None


@pytest.mark.parametrize(
    ("words", "folder"),
    [
        (["-o", f"{WORK}/b003/_pkg_.a"], f"{WORK}/b003"),
        ([f"-o{WORK}/b003/_cgo_1.o"], f"{WORK}/b003"),
        ([f"-ffile-prefix-map={WORK}/b003=/tmp/go-build"], f"{WORK}/b003"),
        ([f"-fdebug-prefix-map=/src={WORK}/b003"], f"{WORK}/b003"),
        (["-trimpath", f"{WORK}/b012=>"], f"{WORK}/b012"),
        (["-I", f"{WORK}/b1234/"], f"{WORK}/b1234"),
        (["-o", "/home/u/my tmp/go-build7/b001/exe/a.out"], "/home/u/my tmp/go-build7/b001"),
        (["-o", "/home/u/go-builds/b001.o"], None),
        (["-ffile-prefix-map=x=/tmp/go-build", "main.go"], None),
        ([], None),
    ],
)
def test_the_work_folder_in_a_command_line(words: list[str], folder: str | None) -> None:
    assert work_folder(words) == folder


@pytest.mark.parametrize(
    ("words", "value"),
    [(["-p", "sync"], "sync"), (["-p=sync"], "sync"), (["-pack", "x"], None), (["-p"], None), ([], None)],
)
def test_the_value_of_a_flag(words: list[str], value: str | None) -> None:
    assert flag_value(words, "-p") == value


# --- probes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "under"),
    [
        (f"{TOOLS}/compile -V=full", Role.GO),
        (f"{TOOLS}/link -V=full", Role.GO),
        (f"{TOOLS}/vet -flags", Role.GO),
        ("pkg-config --version", Role.GO),
        (go126.CC_ID, Role.GO),
        ("gcc --version", Role.GO),
        ("gcc -v", Role.GO),
        ("gcc -V", Role.OTHER),
        ("gcc -qversion", Role.OTHER),
        ("gcc -dumpmachine", Role.OTHER),
        ("gcc -print-prog-name=as", Role.GO),
        ("gcc --print-prog-name strip", Role.LINK),
        (go126.CC_FLAG, Role.GO),
        (go126.CC_LINK_FLAG, Role.GO),
        (go126.LINK_FLAG, Role.LINK),
        (go126.LINK_GOLD, Role.LINK),
        (go126.GUESS, Role.CGO),
    ],
)
def test_a_run_that_only_asks_is_a_probe(command: str, under: Role) -> None:
    assert _span(command, under, status=1).probe


@pytest.mark.parametrize(
    ("command", "under"),
    [
        (go126.DEFINES, Role.CGO),  # where a missing header shows
        (go126.DWARF, Role.CGO),
        (go126.DWARF.replace("-O2", "-O0"), Role.CGO),  # CGO_CFLAGS=-O0
        (go126.CC_FILE, Role.GO),
        (go126.CC_LINK, Role.LINK),
        (go126.CC_DYNIMPORT, Role.GO),
        (go126.COMPILE_SUB, Role.GO),
        (go126.CGO, Role.GO),
        (go126.LINK, Role.GO),
        ("gcc -v -c x.c", Role.GO),
        ("pkg-config --libs -- zlib", Role.GO),
        ("gcc -x c - -o /dev/null", Role.OTHER),  # a configure script: no business of go's
        ("go env", Role.GO),
    ],
)
def test_a_run_that_works_is_none(command: str, under: Role) -> None:
    assert not _span(command, under, status=1).probe


def test_what_a_probe_starts_is_part_of_the_question() -> None:
    story = Story()
    go126.go_build(story)
    probes = {span.process.pid for span in story.trace().spans if span.probe}
    assert probes == {2, 4, 7, 107, 9, 11, 17}


def test_the_compile_of_the_preamble_alone_tells_the_user_s_own_mistake() -> None:
    """Only cgo before 1.21, which has no option against colours, makes it look like a question."""
    in_failed_cgo = partial(_span, go126.PREAMBLE, Role.CGO, status=1, starter_status=2)
    assert not in_failed_cgo(before=[go126.GUESS]).probe
    assert in_failed_cgo().probe


def test_the_link_of_cgo_o_may_fail_where_the_package_is_compiled_nevertheless() -> None:
    """go 1.19 and later write `dynimportfail` and go on; earlier ones end here."""

    def link(after: Sequence[str]) -> list[bool]:
        story = Story()
        with story.process(1, "go build"):
            with story.process(2, go126.CC_DYNIMPORT, parent=1, status=1):
                story.runs(3, go126.LD, parent=2, status=1)
            for pid, command in enumerate(after, start=4):
                story.runs(pid, command, parent=1)
        return [span.probe for span in story.trace().spans[1:3]]

    assert link(after=[go126.COMPILE_SUB]) == [True, True]
    assert link(after=[]) == [False, False]
    assert link(after=[go126.COMPILE_MAIN]) == [False, False]


def test_a_probe_through_a_wrapper_and_toolexec_is_one() -> None:
    story = Story()
    with (
        story.process(1, "go build -toolexec=watch"),
        story.process(2, f"watch {go126.CC_FLAG}", parent=1),
        story.process(3, f"ccache {go126.CC_FLAG}", parent=2),
    ):
        story.execs(3, go126.CC_FLAG)
    assert [span.probe for span in story.trace().spans] == [False, False, True, True]


# --- roles that only the trace tells ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "under", "env", "role"),
    [
        ("my-cc -E -dM -xc x.c", Role.CGO, {}, Role.CC),
        ("my-cc -c x.c", Role.GO, {"CC": "my-cc -m32"}, Role.CC),
        ("/opt/my-cc -c x.c", Role.LINK, {"CC": "my-cc"}, Role.CC),
        ("my-cxx -c x.cc", Role.GO, {"CXX": "/opt/my-cxx"}, Role.CC),
        ("git status", Role.GO, {"CC": "my-cc"}, Role.OTHER),
        ("my-cc -c x.c", Role.OTHER, {"CC": "my-cc"}, Role.OTHER),
    ],
)
def test_a_compiler_by_any_name_is_what_go_takes_for_its_compiler(
    command: str, under: Role, env: dict[str, str], role: Role
) -> None:
    story = Story()
    with story.process(1, _STARTERS[under]):
        story.runs(2, command, parent=1, env=GO_ENV | env)
    assert story.trace().spans[1].role is role


def test_a_script_s_interpreter_in_argv_0_does_not_hide_its_name() -> None:
    story = Story()
    with story.process(1, "go build"):
        story.runs(2, "/bin/sh /opt/my-cc -c x.c", path="/opt/my-cc", parent=1, env={"CC": "my-cc"})
    assert story.trace().spans[1].role is Role.CC
