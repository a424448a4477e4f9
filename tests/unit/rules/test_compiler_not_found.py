"""compiler-not-found: Go looks for a compiler with stat(2) and never starts what is not there."""

from __future__ import annotations

from errno import EACCES, ENOENT, ENOEXEC

import pytest

from tests.unit.rules.scenes import ALPINE, PATH, Scene, healthy, lines, proof

CGO_ON = {"CGO_ENABLED": "1"}
NOT_FOUND = 'cgo: C compiler "{0}" not found: exec: "{0}": executable file not found in $PATH\n'


def cgo_finds_none(scene: Scene, name: str = "gcc", package: str = "runtime/cgo") -> None:
    scene.searches(1, name)
    with scene.cgo(package) as cgo:
        scene.searches(cgo, name)
        scene.story.writes(cgo, NOT_FOUND.format(name))


def test_no_gcc_in_path() -> None:
    scene = Scene(env=CGO_ON, tools=CGO_ON)
    cgo_finds_none(scene)

    finding = scene.finding("compiler-not-found")

    assert "The C compiler gcc is in none of the 4 folders of PATH, where cgo looked for it" in finding.message
    assert "(needed by package runtime/cgo)" in finding.message
    assert "execve" not in proof(finding)
    assert '"/usr/bin/gcc"' in proof(finding)
    assert "executable file not found in $PATH" in proof(finding)
    assert lines(finding) == ["apt-get install -y gcc libc6-dev"]


def test_cgo_may_be_turned_off_where_only_the_standard_library_asked_for_it() -> None:
    scene = Scene(env=CGO_ON, tools=CGO_ON)
    cgo_finds_none(scene, package="runtime/cgo")
    cgo_finds_none(scene, package="net")

    assert scene.finding("compiler-not-found").fix[-1].text == (
        "Or, where nothing in the program needs C, say so with CGO_ENABLED=0."
    )


@pytest.mark.parametrize(
    ("packages", "named"), [(["ex/db"], "ex/db has"), (["ex/db", "runtime/cgo", "ex/z"], "ex/db and 1 more have")]
)
def test_a_program_with_c_of_its_own_is_not_told_to_turn_cgo_off(packages: list[str], named: str) -> None:
    scene = Scene(env=CGO_ON, tools=CGO_ON)
    for package in packages:
        cgo_finds_none(scene, package=package)

    assert scene.finding("compiler-not-found").fix[-1].text == (
        f"Or build with CGO_ENABLED=0, but only if {named} a Go file for that: `//go:build !cgo`."
    )


@pytest.mark.parametrize(("others", "said"), [(0, "only if ex/db has"), (1, "where nothing in the program needs C")])
def test_what_go_list_says_of_a_package_decides_whether_it_needs_c(others: int, said: str) -> None:
    scene = Scene(env=CGO_ON, tools=CGO_ON)
    cgo_finds_none(scene)
    scene.lost_package("ex/db", files=["db.go"], others=others)

    assert said in scene.finding("compiler-not-found").fix[-1].text


def test_its_fix_is_silent() -> None:
    scene = Scene(env=CGO_ON, tools=CGO_ON, status=0)
    scene.searches(1, "gcc", PATH[:2])
    with scene.cgo("runtime/cgo", 0) as cgo:
        scene.searches(cgo, "gcc", PATH[:2])

    assert scene.findings() == []


def test_twelve_packages_are_one_finding() -> None:
    scene = Scene(env=CGO_ON, tools=CGO_ON)
    for number in range(12):
        cgo_finds_none(scene, package=f"ex/p{number}")

    assert "gcc" in scene.finding("compiler-not-found").message


def test_a_linker_that_was_given_a_blank_for_a_compiler_breaks_nothing() -> None:
    scene = Scene(env=CGO_ON, tools=CGO_ON)
    with scene.run(1, ["link", "-extld= ", "x.a"], 2):
        pass

    assert scene.findings() == []


def test_without_the_words_all_folders_of_path_decide() -> None:
    scene = Scene(env=CGO_ON, tools=CGO_ON)
    with scene.cgo("runtime/cgo") as cgo:
        scene.searches(cgo, "gcc")

    assert scene.finding("compiler-not-found").confidence == 1.0


def test_found_in_the_last_folder() -> None:
    """cgo failed for another reason; the folders before the right one failed as always."""
    scene = Scene(env=CGO_ON, tools=CGO_ON)
    with scene.cgo("ex/hello") as cgo:
        scene.searches(cgo, "gcc", PATH[:-1])
        scene.story.writes(cgo, "a.go:3:2: could not determine what C.f refers to\n")

    assert scene.findings() == []


def test_gccgo_is_looked_for_by_every_go_command() -> None:
    scene = Scene(env=CGO_ON, tools=CGO_ON)
    scene.searches(1, "gccgo")
    scene.story.writes(1, "./main.go:3:2: undefined: x\n")

    assert scene.findings() == []


def test_a_pure_go_build_may_lack_gcc_and_fail_for_its_own_reason() -> None:
    scene = Scene(env=CGO_ON, tools=CGO_ON)
    scene.searches(1, "gcc")
    scene.story.writes(1, "./main.go:3:2: undefined: x\n")

    assert scene.findings() == []


def test_cc_names_what_is_not_installed() -> None:
    env = {"CC": "clang"}
    scene = Scene(env=env, tools=env)
    cgo_finds_none(scene, "clang")

    finding = scene.finding("compiler-not-found")

    assert "clang (CC=clang)" in finding.message
    assert lines(finding) == ["apt-get install -y clang libc6-dev", "env CC=gcc go build ."]


def test_the_cross_compiler_is_not_installed() -> None:
    env = {"GOARCH": "arm64", "CGO_ENABLED": "1", "CC": "aarch64-linux-gnu-gcc"}
    scene = Scene(env=env, tools=env)
    cgo_finds_none(scene, "aarch64-linux-gnu-gcc")

    assert lines(scene.finding("compiler-not-found"))[0] == (
        "apt-get install -y gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
    )


def test_no_compiler_at_all_in_a_cross_build_needs_that_of_the_target() -> None:
    env = {"GOARCH": "arm64", "CGO_ENABLED": "1"}
    scene = Scene(env=env, tools=env)
    cgo_finds_none(scene)

    assert lines(scene.finding("compiler-not-found")) == [
        "env CGO_ENABLED=1 GOARCH=arm64 CC=aarch64-linux-gnu-gcc go build .",
        "apt-get install -y gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
    ]


def test_darwin_wants_clang_and_no_package_helps() -> None:
    env = {"GOOS": "darwin", "CGO_ENABLED": "1"}
    scene = Scene(env=env, tools={**env, "CC": "clang"})
    cgo_finds_none(scene, "clang")

    finding = scene.finding("compiler-not-found")

    assert "for darwin/amd64" in finding.message
    assert lines(finding) == []


def test_an_absolute_path_that_is_not_there() -> None:
    env = {"CC": "/opt/x/bin/gcc"}
    scene = Scene(env=env, tools=env)
    with scene.cgo("runtime/cgo") as cgo:
        scene.story.fails(cgo, "newfstatat", ENOENT, "/opt/x/bin/gcc")
        scene.story.writes(cgo, 'cgo: C compiler "/opt/x/bin/gcc" not found: exec: "/opt/x/bin/gcc": stat ...\n')

    finding = scene.finding("compiler-not-found")

    assert "/opt/x/bin/gcc (CC=/opt/x/bin/gcc) does not exist" in finding.message
    assert lines(finding) == ["env CC=gcc go build ."]


def test_a_path_with_a_blank_needs_quotes() -> None:
    env = {"CC": "/path with blank/gcc -O2"}
    scene = Scene(env=env, tools=env)
    with scene.cgo("runtime/cgo") as cgo:
        scene.story.fails(cgo, "newfstatat", ENOENT, "/path")
    scene.story.fact("toolchain", compilers=["/path with blank/gcc"], elsewhere=[])

    finding = scene.finding("compiler-not-found")

    assert "split at its blanks" in finding.message
    assert lines(finding) == ['env CC="/path with blank/gcc" -O2 go build .']


def test_no_quotes_are_proposed_for_a_path_that_is_nowhere() -> None:
    env = {"CC": "/path with blank/gcc"}
    scene = Scene(env=env, tools=env)
    with scene.cgo("runtime/cgo") as cgo:
        scene.story.fails(cgo, "newfstatat", ENOENT, "/path")
    scene.story.fact("toolchain", compilers=["/usr/bin/gcc"], elsewhere=[])

    finding = scene.finding("compiler-not-found")

    assert "The C compiler /path (CC=/path with blank/gcc) does not exist" in finding.message
    assert not any("quotes" in fix.text for fix in finding.fix)


@pytest.mark.parametrize(
    ("compilers", "words"),
    [
        (["/usr/bin/gcc"], "Or use gcc, which is installed."),
        ([], "Or use gcc, once it is installed: PATH has none."),
        (None, "Or use gcc, if that is installed."),
    ],
)
def test_the_other_way_says_whether_it_is_there(compilers: list[str] | None, words: str) -> None:
    env = {"CC": "nope"}
    scene = Scene(env=env, tools=env)
    with scene.cgo("runtime/cgo") as cgo:
        scene.searches(cgo, "nope")
    if compilers is not None:
        scene.story.fact("toolchain", compilers=compilers, elsewhere=[])

    assert words in [fix.text for fix in scene.finding("compiler-not-found").fix]


def test_what_is_missing_is_not_its_own_remedy() -> None:
    env = {"CC": "gcc"}
    scene = Scene(env=env, tools=env)
    with scene.cgo("runtime/cgo") as cgo:
        scene.searches(cgo, "gcc")

    assert not any("Or use" in fix.text for fix in scene.finding("compiler-not-found").fix)


def test_a_value_of_go_env_w_is_taken_back_there() -> None:
    scene = Scene(tools={"CC": "nope"})
    with scene.cgo("runtime/cgo") as cgo:
        scene.searches(cgo, "nope")
    values = {"GOOS": "linux", "GOARCH": "amd64", "GOHOSTOS": "linux", "GOHOSTARCH": "amd64", "CC": "nope"}
    scene.story.fact("goenv", "/usr/local/go/bin/go", values=values, written=["CC"], pid=1)

    finding = scene.finding("compiler-not-found")

    assert "(CC=nope, set by `go env -w`)" in finding.message
    assert lines(finding)[-1] == "go env -u CC"


def test_a_compiler_that_path_does_not_reach_is_named() -> None:
    scene = Scene()
    with scene.cgo("runtime/cgo") as cgo:
        scene.searches(cgo, "gcc")
    scene.story.fact("toolchain", compilers=[], elsewhere=["/opt/gcc-13/bin/gcc"])

    finding = scene.finding("compiler-not-found")

    assert "there is one at /opt/gcc-13/bin/gcc, which PATH does not have" in finding.message
    assert lines(finding) == [f"env PATH={':'.join(PATH)}:/opt/gcc-13/bin go build ."]


def test_a_launcher_that_is_not_installed() -> None:
    env = {"CC": "ccache gcc"}
    scene = Scene(env=env, tools=env)
    cgo_finds_none(scene, "ccache")

    assert lines(scene.finding("compiler-not-found"))[0] == "apt-get install -y ccache"


def test_cxx_is_looked_for_by_go_itself() -> None:
    scene = Scene()
    scene.searches(1, "gcc", PATH[:2])
    scene.searches(1, "g++")
    scene.story.writes(1, 'ex/x06cxx: exec: "g++": executable file not found in $PATH\n')

    finding = scene.finding("compiler-not-found")

    assert "The C++ compiler g++" in finding.message
    assert lines(finding) == ["apt-get install -y g++"]


def test_the_linker_looks_for_its_own() -> None:
    scene = Scene(env=CGO_ON, tools=CGO_ON)
    with scene.link() as link:
        scene.searches(link, "gcc")
        scene.story.writes(link, 'link: running gcc failed: exec: "gcc": executable file not found in $PATH\n')

    assert "where link looked for it" in scene.finding("compiler-not-found").message


@pytest.mark.parametrize(
    ("errno", "said"),
    [(ENOENT, "interpreter"), (ENOEXEC, "no program for this machine"), (EACCES, "may not be executed")],
)
def test_a_compiler_that_the_kernel_refuses(errno: int, said: str) -> None:
    scene = Scene()
    with scene.cgo("runtime/cgo") as cgo:
        scene.searches(cgo, "gcc", PATH[:1])
        scene.story.forks(cgo, 900)
        scene.story.execs(900, "gcc -E -dM x.c", path="/usr/local/bin/gcc", error=errno)
        scene.story.exits(900, 253)
        scene.story.writes(cgo, "cgo: exec gcc: fork/exec /usr/local/bin/gcc: no such file or directory\n")

    finding = scene.finding("compiler-not-found")

    assert "/usr/local/bin/gcc cannot be executed: it is there, but" in finding.message
    assert said in finding.message
    assert "execve" in proof(finding)


def test_alpine_gets_no_name_of_debian() -> None:
    scene = Scene(env=CGO_ON, tools=CGO_ON, host=ALPINE)
    cgo_finds_none(scene)

    finding = scene.finding("compiler-not-found")

    assert lines(finding) == []
    assert finding.fix[0].text.startswith("Install gcc")


def test_a_healthy_build() -> None:
    scene = Scene(status=0)
    healthy(scene)

    assert scene.findings() == []
