"""Which compiler was really run: behind wrappers, for which target."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import pytest

from gotrace.events.tools import Role
from gotrace.trace.model import Compiler
from tests.unit.trace import go126
from tests.unit.trace.events_for import GCC_PARTS, Story

CROSS = "/usr/lib/gcc-cross/aarch64-linux-gnu/12"


def _compiler(story: Story, pid: int = 2) -> Compiler:
    compiler = next(span for span in story.trace().spans if span.process.pid == pid).compiler
    assert compiler is not None
    return compiler


def test_a_compiler_that_was_asked_is_what_it_said() -> None:
    story = Story()
    story.runs(2, "gcc -c x.c")
    story.fact(
        "compiler",
        "/usr/bin/gcc",
        resolved="/usr/bin/x86_64-linux-gnu-gcc-12",
        wrapper=[],
        target="x86_64-linux-gnu",
        version="12.2.0",
        family="gcc",
    )
    assert astuple(_compiler(story)) == _tuple(
        path="/usr/bin/gcc",
        resolved="/usr/bin/x86_64-linux-gnu-gcc-12",
        target="x86_64-linux-gnu",
        version="12.2.0",
        family="gcc",
    )


def _tuple(**known: Any) -> tuple[Any, ...]:
    return astuple(Compiler(**known))


@pytest.mark.parametrize(
    ("part", "target"),
    [(f"{GCC_PARTS}/cc1", "x86_64-linux-gnu"), (f"{CROSS}/cc1plus", "aarch64-linux-gnu")],
)
def test_the_folder_of_its_parts_tells_target_and_version(part: str, target: str | None) -> None:
    story = Story()
    with story.process(2, "gcc -c x.c"):
        story.runs(3, f"{part} -quiet x.c", parent=2)
    compiler = _compiler(story)
    assert (compiler.target, compiler.version, compiler.family) == (target, "12", "gcc")


def test_what_one_run_shows_holds_for_all_runs_of_that_path() -> None:
    story = Story()
    story.runs(2, go126.CC_ID)
    with story.process(3, "gcc -c x.c"):
        story.runs(4, f"{CROSS}/../../../../aarch64-linux-gnu/bin/as -EL x.s", path=f"{CROSS}/../as", parent=3)
    assert _compiler(story).target == "aarch64-linux-gnu"


@pytest.mark.parametrize(
    ("name", "target", "version", "family"),
    [
        ("gcc", None, None, "gcc"),
        ("cc", None, None, None),
        ("gcc-13", None, "13", "gcc"),
        ("aarch64-linux-gnu-gcc", "aarch64-linux-gnu", None, "gcc"),
        ("x86_64-w64-mingw32-g++", "x86_64-w64-mingw32", None, "gcc"),
        ("arm-linux-gnueabihf-gcc-12", "arm-linux-gnueabihf", "12", "gcc"),
        ("clang-16", None, "16", "clang"),
    ],
)
def test_the_name_is_the_last_resort_and_nothing_is_guessed(
    name: str, target: str | None, version: str | None, family: str | None
) -> None:
    story = Story()
    story.runs(2, f"{name} -c x.c")
    compiler = _compiler(story)
    assert (compiler.target, compiler.version, compiler.family) == (target, version, family)
    assert compiler.resolved is None


def test_parts_take_over_their_driver_s_compiler() -> None:
    story = Story()
    go126.go_build(story)
    spans = {span.process.pid: span for span in story.trace().spans}
    assert spans[110].role is Role.CC1
    assert spans[110].compiler is spans[10].compiler
    assert spans[210].compiler is spans[10].compiler
    assert spans[20].role is Role.LD
    assert spans[20].compiler is spans[19].compiler is spans[18].compiler
    assert spans[16].compiler is None
    assert spans[13].compiler is None


def test_a_part_that_no_driver_started_has_no_compiler() -> None:
    story = Story()
    with story.process(1, "make"):
        story.runs(2, "as x.s", parent=1)
    assert story.trace().spans[1].compiler is None


@pytest.mark.parametrize("in_place", [True, False], ids=["exec in place", "as a child"])
def test_ccache_is_the_wrapper_of_what_it_runs(in_place: bool) -> None:
    story = Story()
    with story.process(2, "ccache gcc -c x.c"):
        if in_place:
            story.execs(2, "/usr/bin/gcc -c x.c")
            story.runs(4, f"{GCC_PARTS}/cc1 x.c", parent=2)
        else:
            with story.process(3, "/usr/bin/gcc -c x.c", parent=2):
                story.runs(4, f"{GCC_PARTS}/cc1 x.c", parent=3)
    assert astuple(_compiler(story)) == _tuple(
        path="/usr/bin/ccache",
        resolved="/usr/bin/gcc",
        wrapper=("ccache",),
        target="x86_64-linux-gnu",
        version="12",
        family="gcc",
    )


def test_a_wrapper_that_answers_from_its_cache_is_known_by_the_compiler_s_other_runs() -> None:
    story = Story()
    story.runs(2, "ccache gcc -c x.c")
    with story.process(3, "gcc -c y.c"):
        story.runs(4, f"{GCC_PARTS}/cc1 y.c", parent=3)
    compiler = _compiler(story)
    assert (compiler.resolved, compiler.target) == ("/usr/bin/gcc", "x86_64-linux-gnu")


def test_a_masquerading_wrapper_is_known_by_what_it_ran_once() -> None:
    story = Story()
    with story.process(3, "gcc -c x.c", path="/usr/lib/ccache/gcc"):
        story.execs(3, "/usr/bin/gcc -c x.c")
    story.runs(2, "gcc -c x.c", path="/usr/lib/ccache/gcc")
    compiler = _compiler(story)
    assert (compiler.path, compiler.resolved, compiler.wrapper) == ("/usr/lib/ccache/gcc", "/usr/bin/gcc", ())


def test_two_compilers_behind_the_same_wrapper_are_not_mixed_up() -> None:
    story = Story()
    with story.process(2, "ccache aarch64-linux-gnu-gcc -c x.c"):
        story.execs(2, "/usr/bin/aarch64-linux-gnu-gcc -c x.c")
        story.runs(4, f"{CROSS}/cc1 x.c", parent=2)
    with story.process(3, "ccache gcc -c x.c"):
        story.execs(3, "/usr/bin/gcc -c x.c")
        story.runs(5, f"{GCC_PARTS}/cc1 x.c", parent=3)
    assert _compiler(story, 2).target == "aarch64-linux-gnu"
    assert _compiler(story, 3).target == "x86_64-linux-gnu"


def test_zig_builds_for_the_target_it_is_given() -> None:
    story = Story()
    with story.process(2, "python3 -m ziglang cc -target aarch64-linux-musl -c x.c"):
        story.runs(3, "/opt/ziglang/zig cc -target aarch64-linux-musl -c x.c", parent=2)
    story.fact("compiler", "/opt/ziglang/zig", target="x86_64-linux-gnu", family="zig", version="0.13.0")

    outer = _compiler(story)
    assert outer.wrapper == ("python3", "-m", "ziglang")
    assert (outer.resolved, outer.target, outer.family) == ("/opt/ziglang/zig", "aarch64-linux-musl", "zig")
    inner = _compiler(story, 3)
    assert (inner.wrapper, inner.target, inner.version) == (("/opt/ziglang/zig",), "aarch64-linux-musl", "0.13.0")


def test_clang_tells_its_target_to_its_parts_and_only_for_that_run() -> None:
    story = Story()
    with story.process(2, "clang -c x.c"):
        story.runs(3, "/usr/lib/llvm-16/bin/clang -cc1 -triple x86_64-pc-linux-gnu x.c", parent=2)
    story.runs(4, "clang --target=aarch64-linux-gnu -c x.c")
    assert (_compiler(story).target, _compiler(story).family) == ("x86_64-pc-linux-gnu", "clang")
    assert _compiler(story, 4).target == "aarch64-linux-gnu"


def test_gcc_has_one_target_whatever_its_arguments_say() -> None:
    story = Story()
    story.runs(2, "aarch64-linux-gnu-gcc --target=x86_64-linux-gnu -c x.c", status=1)
    assert _compiler(story).target == "aarch64-linux-gnu"


def test_a_relative_path_is_seen_from_where_it_was_run() -> None:
    story = Story()
    story.runs(2, "./tools/gcc -c x.c", cwd="/home/u/mini")
    assert _compiler(story).path == "/home/u/mini/tools/gcc"


def test_what_was_asked_with_a_run_s_own_arguments_holds_for_that_run() -> None:
    story = Story()
    story.runs(2, "gcc -m32 -c x.c")
    story.runs(3, "gcc -c x.c")
    story.runs(4, "clang -target aarch64-linux-gnu -c x.c")
    for name, arguments, target in (
        ("gcc", [], "x86_64-linux-gnu"),
        ("gcc", ["-m32"], "i386-linux-gnu"),
        ("clang", ["-target", "aarch64-linux-gnu"], "aarch64-unknown-linux-gnu"),
    ):
        story.fact("compiler", f"/usr/bin/{name}", resolved=f"/usr/bin/{name}", arguments=arguments, target=target)
    targets = [_compiler(story, pid).target for pid in (2, 3, 4)]
    assert targets == ["i386-linux-gnu", "x86_64-linux-gnu", "aarch64-unknown-linux-gnu"]


def test_an_answer_through_a_wrapper_counts_only_where_one_compiler_is_behind_it() -> None:
    story = Story()
    story.runs(2, "ccache gcc -c x.c")
    answer = {"wrapper": ["ccache"], "target": "x86_64-linux-gnu"}
    story.fact("compiler", "/usr/bin/ccache", resolved="/usr/bin/gcc-12", **answer)
    assert (_compiler(story).resolved, _compiler(story).target) == ("/usr/bin/gcc-12", "x86_64-linux-gnu")

    story.fact("compiler", "/usr/bin/ccache", resolved="/usr/bin/aarch64-linux-gnu-gcc-12", **answer)
    assert (_compiler(story).resolved, _compiler(story).target) == (None, None)


@pytest.mark.parametrize("strange", [None, 7, {"a": 1}, ["x", 2], ""])
def test_a_strange_fact_is_no_trouble(strange: object) -> None:
    story = Story()
    story.runs(2, "gcc -c x.c")
    story.fact("compiler", "/usr/bin/gcc", **dict.fromkeys(("resolved", "wrapper", "arguments", "target"), strange))
    assert _compiler(story).target is None
