"""How a compiler is recognised behind its wrappers, and asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from gotrace.capture.facts.asker import Asker, NoAnswerError
from gotrace.capture.facts.compilers import Driver, ask_compiler, driver_of, executed_drivers, named_driver
from gotrace.capture.facts.processes import Processes
from tests.stories import Story

_GCC = """case "$*" in
-dumpmachine) echo aarch64-linux-gnu;;
--version) echo "aarch64-linux-gnu-gcc (Debian 12.2.0-14) 12.2.0"; echo; echo "(C) Free Software Foundation, Inc.";;
*) echo "gcc: error: unrecognized command-line option" >&2; exit 1;;
esac"""
_CLANG = """case "$*" in
"-target riscv64-linux -dumpmachine") echo riscv64-unknown-linux-gnu;;
-dumpmachine) echo x86_64-pc-linux-gnu;;
--version) echo "Ubuntu clang version 18.1.3 (1ubuntu1)";;
esac"""


def program(path: Path, text: str = "exit 0") -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def ask(driver: Driver) -> dict[str, object]:
    return ask_compiler(Asker(5), driver, {"PATH": "/usr/bin:/bin"}, "/").data


def test_a_plain_compiler_is_asked_itself(tmp_path: Path) -> None:
    gcc = program(tmp_path / "aarch64-linux-gnu-gcc-12", _GCC)
    (tmp_path / "cross").symlink_to(gcc)
    driver = driver_of(str(tmp_path / "cross"), ["cross", "-m64", "-c", "x.c"], None)
    assert ask(driver) == {
        "resolved": gcc,
        "wrapper": [],
        "arguments": [],
        "target": "aarch64-linux-gnu",
        "version": "12.2.0",
        "family": "gcc",
    }


def test_arguments_that_select_the_target_are_part_of_the_question(tmp_path: Path) -> None:
    clang = program(tmp_path / "clang", _CLANG)
    data = ask(driver_of(clang, ["clang", "-O2", "-target", "riscv64-linux", "x.c"], None))
    assert (data["target"], data["version"], data["family"]) == ("riscv64-unknown-linux-gnu", "18.1.3", "clang")
    assert data["arguments"] == ["-target", "riscv64-linux"]


def test_the_version_of_a_libc_is_no_part_of_the_question(tmp_path: Path) -> None:
    zig = """case "$*" in
"-target x86_64-linux-gnu -dumpmachine") echo x86_64-unknown-linux-gnu;;
*-dumpmachine) echo "version in target is invalid" >&2; exit 1;;
esac"""
    driver = driver_of(program(tmp_path / "clang", zig), ["clang", "-target", "x86_64-linux-gnu.2.31"], None)
    assert ask(driver)["target"] == "x86_64-unknown-linux-gnu"


def test_a_compiler_that_refuses_an_argument_still_says_its_target(tmp_path: Path) -> None:
    gcc = program(tmp_path / "gcc", _GCC)
    assert ask(driver_of(gcc, ["gcc", "-m32"], None))["target"] == "aarch64-linux-gnu"


def test_behind_a_launcher_the_compiler_of_path_is_asked(tmp_path: Path) -> None:
    ccache = program(tmp_path / "bin" / "ccache", "exit 1")
    gcc = program(tmp_path / "real" / "gcc", _GCC)
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "gcc").symlink_to(ccache)
    search = f"{tmp_path}/links:{tmp_path}/bin:{tmp_path}/real"

    two_words = driver_of(ccache, ["ccache", gcc, "-c"], search)
    as_symlink = driver_of(f"{tmp_path}/links/gcc", ["gcc", "-c"], search)
    for driver in (two_words, as_symlink):
        data = ask(driver)
        assert (data["resolved"], data["wrapper"]) == (gcc, ["ccache"])
        assert data["target"] == "aarch64-linux-gnu"


def test_zig_as_a_python_module_is_called_with_all_its_words() -> None:
    argv = ["python3", "-m", "ziglang", "cc", "-target", "aarch64-linux-musl", "-c", "x.c"]
    driver = driver_of("/venv/bin/python3", argv, None)
    assert driver.front == ("/venv/bin/python3", "-m", "ziglang", "cc")
    assert driver.wrapper == ("python3", "-m", "ziglang")
    assert driver.selection == ("-target", "aarch64-linux-musl")


def test_the_compiler_that_a_wrapper_was_seen_to_run_is_the_proper_one() -> None:
    story = Story()
    pid = story.starts("python3", "-m", "ziglang", "cc", "-c", "x.c", path="/usr/bin/python3")
    story.becomes(pid, "zig", "cc", "-c", "x.c", path="/lib/ziglang/zig")
    story.ends(pid)
    drivers = executed_drivers(Processes(story.events), {"PATH": "/usr/bin"})
    assert [(driver.path, driver.proper) for driver in drivers] == [
        ("/usr/bin/python3", "/lib/ziglang/zig"),
        ("/lib/ziglang/zig", "/lib/ziglang/zig"),
    ]


def test_what_zig_runs_of_itself_is_no_other_compiler() -> None:
    story = Story()
    zig = story.starts("/lib/zig", "cc", "-target", "riscv64-linux-musl", "x.c")
    story.starts("/lib/zig", "clang", "-target", "riscv64-unknown-linux5.10.0-musl", "x.c", parent=zig)
    drivers = executed_drivers(Processes(story.events), {})
    assert [driver.selection for driver in drivers] == [("-target", "riscv64-linux-musl")]


def test_a_compiler_that_ran_a_hundred_times_is_asked_once() -> None:
    story = Story()
    for number in range(100):
        story.runs(["/usr/bin/gcc", "-m64", "-c", f"{number}.c"], cwd="/src")
    assert len(executed_drivers(Processes(story.events), {})) == 1


def test_a_relative_path_is_seen_from_the_folder_of_the_process() -> None:
    story = Story()
    story.runs(["./tools/gcc", "-c", "x.c"], cwd="/src")
    assert [driver.path for driver in executed_drivers(Processes(story.events), {})] == ["/src/tools/gcc"]


def test_the_compiler_that_cc_names_is_looked_up_in_path(tmp_path: Path) -> None:
    gcc = program(tmp_path / "gcc")
    driver = named_driver(["gcc", "-O2"], str(tmp_path))
    assert driver is not None
    assert driver.path == gcc
    assert named_driver(["icc"], str(tmp_path)) is None
    assert named_driver([], str(tmp_path)) is None


def test_a_compiler_that_says_nonsense_has_no_target(tmp_path: Path) -> None:
    driver = driver_of(program(tmp_path / "gcc", "echo usage: gcc files"), ["gcc"], None)
    with pytest.raises(NoAnswerError):
        ask(driver)
