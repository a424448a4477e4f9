"""What a package main is called: its import path, however the trace tells it, or its folder; never "main"."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from tests.unit.trace.events_for import TOOLS, WORK, Story

MOD = "/home/u/mod"


def compiles(number: int, package: str, *files: str, trimpath: str = "") -> str:
    """The command line of go 1.26 for a package in work folder b00`number`."""
    work = f"{WORK}/b{number:03}"
    return f"{TOOLS}/compile -o {work}/_pkg_.a -trimpath '{trimpath}{work}=>' -p {package} -pack {' '.join(files)}"


def links(number: int, name: str = "exe/a.out") -> str:
    return f"{TOOLS}/link -o {WORK}/b{number:03}/{name} {WORK}/b{number:03}/_pkg_.a"


def packages_of(story: Story) -> list[str | None]:
    return [span.package for span in story.trace().spans if span.process.pid != 1]


def built(*commands: str, status: int = 0, says: str = "", cwd: str = MOD) -> Story:
    story = Story()
    with story.process(1, "go build ./...", status=status, cwd=MOD):
        for pid, command in enumerate(commands, start=2):
            story.runs(pid, command, parent=1, cwd=cwd, status=status)
        if says:
            story.writes(1, says)
    return story


def test_a_package_of_the_same_module_shows_the_path() -> None:
    story = built(compiles(2, "ex/b/lib", f"{MOD}/lib/lib.go"), compiles(1, "main", f"{MOD}/cmd/x/main.go"), links(1))
    assert packages_of(story) == ["ex/b/lib", "ex/b/cmd/x", "ex/b/cmd/x"]


def test_so_does_what_trimpath_puts_in_the_folders_place() -> None:
    story = built(compiles(1, "main", "./cmd/x/main.go", trimpath=f"{MOD}/cmd/x=>ex/b/cmd/x;"), links(1))
    assert packages_of(story) == ["ex/b/cmd/x", "ex/b/cmd/x"]


def test_so_does_gos_heading_over_the_errors() -> None:
    story = built(compiles(1, "main", "./main.go"), status=1, says="# ex/b\n./main.go:3:23: undefined: x\n")
    assert packages_of(story) == ["ex/b"]


def test_among_several_the_heading_with_the_folders_name_is_its_path() -> None:
    story = built(
        compiles(1, "main", "./one/main.go"), compiles(2, "main", "./two/main.go"), status=1, says="# ex/b/two\nbad\n"
    )
    assert packages_of(story) == ["ex/b/one", "ex/b/two"]  # a neighbour in the same module


def test_a_heading_that_may_be_anothers_is_not_taken() -> None:
    story = built(
        compiles(1, "main", "./one/main.go"), compiles(2, "main", "./two/main.go"), status=1, says="# ex/three\nbad\n"
    )
    assert packages_of(story) == [f"{MOD}/one", f"{MOD}/two"]


def test_where_nothing_tells_it_is_the_folder() -> None:
    story = built(compiles(2, "sync", "/usr/local/go/src/sync/cond.go"), compiles(1, "main", "./main.go"), links(1))
    assert packages_of(story) == ["sync", MOD, MOD]


def test_a_neighbour_outside_the_module_does_not_tell() -> None:
    story = built(compiles(2, "u/mod/lib", f"{MOD}/lib/lib.go"), compiles(1, "main", "/home/u/other/main.go"))
    assert packages_of(story) == ["u/mod/lib", "u/other"]
    story.fact("goenv", "/usr/bin/go", values={"GOMOD": f"{MOD}/go.mod"})
    assert packages_of(story) == ["u/mod/lib", "/home/u/other"]


def test_the_program_of_a_test_is_called_after_what_it_tests() -> None:
    story = built(compiles(2, "ex/b/lib", f"{MOD}/lib/lib.go"), compiles(1, "main", f"{WORK}/b001/_testmain.go"))
    story.runs(8, f"{WORK}/b001/lib.test -test.timeout=10m0s", cwd=f"{MOD}/lib")
    assert packages_of(story) == ["ex/b/lib", "ex/b/lib.test", "ex/b/lib"]


@pytest.mark.parametrize(
    ("folder", "package"),
    [("cmd/x", "ex/b/cmd/x"), ("", "ex/b"), ("lib", "ex/b/lib")],
)
def test_vet_works_in_the_folder_of_its_package(folder: str, package: str) -> None:
    story = built(compiles(2, "ex/b/lib", f"{MOD}/lib/lib.go"))
    story.runs(9, f"{TOOLS}/vet -json {WORK}/b077/vet.cfg", cwd=f"{MOD}/{folder}".rstrip("/"))
    assert packages_of(story)[-1] == package


@pytest.mark.parametrize(("says", "package"), [("# ex/b\nbad\n", "ex/b"), ("# a\nx\n# b\nx\n", None), ("", None)])
def test_a_link_of_what_was_in_the_cache_is_told_by_gos_only_heading(says: str, package: str | None) -> None:
    assert packages_of(built(links(1), status=1, says=says)) == [package]


def run_in_folder(go: str, *commands: str) -> list[str | None]:
    """Packages of commands, each started by the one before, below a go command and in a folder with a package."""
    story = built(compiles(2, "ex/b", f"{MOD}/b.go"))
    with ExitStack() as running:
        running.enter_context(story.process(20, go, cwd=MOD))
        for pid, command in enumerate(commands, start=21):
            running.enter_context(story.process(pid, command, parent=pid - 1, cwd=MOD))
    return packages_of(story)[2:]


@pytest.mark.parametrize("go", ["go build .", "go vet .", "go list -export .", "go run ."])
def test_pkg_config_works_in_the_folder_of_its_package(go: str) -> None:
    assert run_in_folder(go, "pkg-config --cflags -- foo") == ["ex/b"]


def test_a_script_in_place_of_pkg_config_may_run_the_real_one() -> None:
    assert run_in_folder("go build .", "/home/u/wrapper --cflags -- foo", "pkg-config --cflags -- foo")[-1] == "ex/b"


@pytest.mark.parametrize("go", ["go generate .", "go run .", "go test .", "sh build.sh", "make"])
@pytest.mark.parametrize("command", ["gcc -c conftest.c", "pkg-config --exists foo", f"{TOOLS}/compile -V=full"])
def test_what_a_script_tries_out_in_the_folder_is_not_for_its_package(go: str, command: str) -> None:
    assert run_in_folder(go, "sh ./configure", command) == [None, None]


@pytest.mark.parametrize("command", [f"{TOOLS}/compile -V=full", f"{TOOLS}/asm -V=full", "gcc -v", "gcc --version"])
def test_questions_of_a_go_command_are_for_no_package(command: str) -> None:
    story = built(compiles(2, "ex/b", f"{MOD}/b.go"), command)

    assert packages_of(story) == ["ex/b", None]
    assert [span.compiled for span in story.trace().spans] == [False, True, False]


def test_a_p_of_other_tools_names_no_package() -> None:
    assert packages_of(built("gcc -p -c x.c", "ld -p x.o")) == [None, None]
