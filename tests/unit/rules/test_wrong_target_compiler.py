"""wrong-target-compiler: gcc of this machine in an arm64 build, and a cross compiler in a build for this machine."""

from __future__ import annotations

import pytest

from gotrace.rules import targets
from gotrace.rules.targets import Platform
from tests.unit.rules.scenes import ALPINE, CC1, GCC, Scene, healthy, lines, missing_header, proof
from tests.unit.trace.events_for import GO_ENV

ARM64 = {"GOARCH": "arm64", "CGO_ENABLED": "1"}
CC_S = "/usr/bin/gcc -I /usr/local/go/src/runtime/cgo -fPIC -pthread -c gcc_arm64.S"


HEADING = "gcc_arm64.S: Assembler messages:\n"
REFUSAL = "gcc_arm64.S:30: Error: no such instruction: `stp x29,x30,[sp,'\n"


def assembler_fails(scene: Scene, *words: str) -> None:
    """Go passes no -m option for arm64, so that gcc and cc1 are content and only the assembler stumbles."""
    with scene.run(1, CC_S, 1) as gcc:
        with scene.run(gcc, CC1):
            pass
        with scene.run(gcc, "as -I . --64 -o _x006.o /tmp/cc1.s", 1) as assembler:
            for line in words or (HEADING, REFUSAL):
                scene.story.writes(assembler, line)


def test_the_refusal_and_not_its_heading_is_shown_in_every_language() -> None:
    scene = Scene(env=ARM64, tools=ARM64)
    with scene.cgo("runtime/cgo", 0):
        pass
    heading = "gcc_arm64.S: Messages de l'assembleur:\n"
    assembler_fails(scene, heading, "gcc_arm64.S:30: Erreur: pas de telle instruction: « stp x29,x30,[sp, »\n")

    shown = proof(scene.finding("wrong-target-compiler"))

    assert "pas de telle instruction" in shown
    assert "Messages" not in shown


def test_host_gcc_in_an_arm64_build() -> None:
    scene = Scene(env=ARM64, tools=ARM64)
    with scene.cgo("runtime/cgo", 0):
        pass
    assembler_fails(scene)

    finding = scene.finding("wrong-target-compiler")

    assert "for linux/arm64" in finding.message
    assert "gcc makes code for x86_64-linux-gnu" in finding.message
    assert finding.severity == "error"
    assert finding.confidence == 1.0
    assert finding.span is not None
    assert finding.span.exec.path == "/usr/bin/gcc"
    assert "no such instruction" in proof(finding)
    assert 'execve("/usr/bin/as"' in proof(finding)
    assert lines(finding) == [
        "env CGO_ENABLED=1 GOARCH=arm64 CC=aarch64-linux-gnu-gcc go build .",
        "apt-get install -y gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
    ]


def test_its_fix_is_silent() -> None:
    scene = Scene(env=ARM64, tools={**ARM64, "CC": "aarch64-linux-gnu-gcc"}, status=0)
    with scene.run(1, "aarch64-linux-gnu-gcc -c gcc_arm64.S") as gcc, scene.run(gcc, "aarch64-linux-gnu-as x.s"):
        pass

    assert scene.findings() == []


def test_an_ordinary_user_installs_with_sudo() -> None:
    scene = Scene(env=ARM64, tools=ARM64, user="alice")
    assembler_fails(scene)

    assert lines(scene.finding("wrong-target-compiler"))[1].startswith("sudo apt-get install -y gcc-aarch64-linux-gnu")


def test_no_package_is_named_where_none_is_known() -> None:
    scene = Scene(env=ARM64, tools=ARM64, host=ALPINE)
    assembler_fails(scene)

    assert lines(scene.finding("wrong-target-compiler")) == [
        "env CGO_ENABLED=1 GOARCH=arm64 CC=aarch64-linux-gnu-gcc go build ."
    ]


@pytest.mark.parametrize("variable", ["CC_linux_arm64", "CC_FOR_TARGET", "CC_FOR_linux_arm64", "CC_aarch64_linux"])
def test_variables_that_go_build_does_not_read(variable: str) -> None:
    scene = Scene(env={**ARM64, variable: "aarch64-linux-gnu-gcc"}, tools=ARM64)
    assembler_fails(scene)

    assert f"go build does not read {variable}" in scene.finding("wrong-target-compiler").message


def test_a_cross_compiler_leaks_into_a_build_for_this_machine() -> None:
    cc = {"CC": "aarch64-linux-gnu-gcc"}
    scene = Scene(env=cc, tools=cc)
    with (
        scene.cgo("runtime/cgo") as cgo,
        scene.run(cgo, "aarch64-linux-gnu-gcc -E -dM -m64 -I . /tmp/cgo-gcc-input-9.c", 1) as gcc,
    ):
        scene.story.writes(gcc, "aarch64-linux-gnu-gcc: error: unrecognized command-line option '-m64'\n")

    finding = scene.finding("wrong-target-compiler")

    assert "for linux/amd64, but aarch64-linux-gnu-gcc makes code for aarch64-linux-gnu" in finding.message
    assert "CC=aarch64-linux-gnu-gcc chose it" in finding.message
    assert lines(finding)[0] == "env CC=gcc go build ."


@pytest.mark.parametrize(
    ("settings", "option", "compiler"),
    [
        ({"GOARCH": "arm"}, "-marm", "arm-linux-gnueabihf-gcc"),
        ({"GOARCH": "arm", "GOARM": "5"}, "-marm", "arm-linux-gnueabi-gcc"),
        ({"GOOS": "windows"}, "-mthreads", "x86_64-w64-mingw32-gcc"),
    ],
)
def test_gcc_of_an_unknown_target_refuses_gos_own_option(settings: dict[str, str], option: str, compiler: str) -> None:
    scene = Scene(env={**settings, "CGO_ENABLED": "1"}, tools=settings)
    with scene.cgo("runtime/cgo") as cgo, scene.run(cgo, f"gcc -E -dM {option} -I . x.c", 1) as gcc:
        scene.story.writes(gcc, f"gcc: error: unrecognized command-line option '{option}'; did you mean '-mabm'?\n")

    finding = scene.finding("wrong-target-compiler")

    assert finding.confidence < 1.0
    assert f"CC={compiler}" in lines(finding)[0]


def test_the_compiler_fact_decides_where_gcc_never_came_to_its_parts() -> None:
    scene = Scene(env={"GOARCH": "arm", "CGO_ENABLED": "1"}, tools={"GOARCH": "arm"})
    with scene.cgo("runtime/cgo") as cgo, scene.run(cgo, "gcc -E -dM -marm -I . x.c", 1) as gcc:
        scene.story.writes(gcc, "gcc: Fehler: nicht erkannte Kommandozeilenoption »-marm«\n")
    scene.story.fact("compiler", "/usr/bin/gcc", target="x86_64-linux-gnu", family="gcc", version="12.2.0")

    finding = scene.finding("wrong-target-compiler")

    assert finding.confidence == 1.0
    assert "makes code for x86_64-linux-gnu" in finding.message


def test_many_packages_and_cxx_are_one_finding() -> None:
    scene = Scene(env=ARM64, tools=ARM64)
    for _ in range(12):
        assembler_fails(scene)
    with scene.run(1, "/usr/bin/g++ -c x.cc", 1) as gxx, scene.run(gxx, "cc1plus x.cc"):
        pass

    finding = scene.finding("wrong-target-compiler")

    assert "CC=aarch64-linux-gnu-gcc CXX=aarch64-linux-gnu-g++" in lines(finding)[0]
    assert "g++-aarch64-linux-gnu" in lines(finding)[1]


def test_the_cpp_compiler_is_wrong_though_cc_fits() -> None:
    env = {**ARM64, "CC": "aarch64-linux-gnu-gcc"}
    scene = Scene(env=env, tools=env)
    with scene.run(1, "/usr/bin/aarch64-linux-gnu-gcc -c x.c"):
        pass
    with scene.run(1, "/usr/bin/g++ -c x.cc", 1) as gxx, scene.run(gxx, "as --64 x.s", 1) as assembler:
        scene.story.writes(assembler, "x.s:3: Error: no such instruction: `stp x29'\n")
    scene.story.fact("compiler", "/usr/bin/g++", target="x86_64-linux-gnu", family="gcc", version="12.2.0")
    scene.story.fact("toolchain", compilers=["/usr/bin/gcc", "/usr/bin/aarch64-linux-gnu-gcc"], elsewhere=[])

    finding = scene.finding("wrong-target-compiler")

    assert "g++ makes code for x86_64-linux-gnu: CXX is not set" in finding.message
    assert "chose it" not in finding.message
    assert lines(finding) == [
        "apt-get install -y g++-aarch64-linux-gnu libc6-dev-arm64-cross",
        "env CGO_ENABLED=1 GOARCH=arm64 CC=aarch64-linux-gnu-gcc CXX=aarch64-linux-gnu-g++ go build .",
    ]


def test_a_compiler_behind_ccache() -> None:
    env = {**ARM64, "CC": "ccache gcc"}
    scene = Scene(env=env, tools=env)
    with scene.run(1, "/usr/bin/ccache gcc -c gcc_arm64.S", 1) as ccache, scene.run(ccache, CC_S, 1) as gcc:
        with scene.run(gcc, CC1):
            pass
        with scene.run(gcc, "as --64 x.s", 1) as assembler:
            scene.story.writes(assembler, "gcc_arm64.S:30: Error: no such instruction: `stp x29'\n")

    finding = scene.finding("wrong-target-compiler")

    assert "gcc behind ccache makes code for x86_64-linux-gnu: CC=ccache gcc chose it" in finding.message
    assert lines(finding)[0].startswith("env CGO_ENABLED=1 GOARCH=arm64 CC=ccache aarch64-linux-gnu-gcc go build")


@pytest.mark.parametrize(
    "words",
    ["gcc_arm64.S:30:2: unknown token in expression", "zig: unsupported option '-marm' for target 'x86_64'"],
)
def test_zig_and_the_clang_in_it_are_one_compiler(words: str) -> None:
    env = {**ARM64, "CC": "zig cc -target x86_64-linux-musl"}
    scene = Scene(env=env, tools=env)
    with (
        scene.run(1, "/opt/zig/zig cc -target x86_64-linux-musl -c gcc_arm64.S", 1) as zig,
        scene.run(zig, "/opt/zig/zig clang -target x86_64-unknown-linux5.10.0-musl -c gcc_arm64.S", 1) as clang,
    ):
        scene.story.writes(clang, f"In file included from x:1:\n{words}\n")

    finding = scene.finding("wrong-target-compiler")

    assert "zig cc makes code for x86_64-linux-musl" in finding.message
    assert words in proof(finding)


def test_a_compiler_chosen_by_go_env_w() -> None:
    scene = Scene(tools={"CC": "aarch64-linux-gnu-gcc"})
    with scene.cgo("runtime/cgo") as cgo, scene.run(cgo, "aarch64-linux-gnu-gcc -E -dM -m64 x.c", 1) as gcc:
        scene.story.writes(gcc, "aarch64-linux-gnu-gcc: error: unrecognized command-line option '-m64'\n")
    values = {**GO_ENV, "CC": "aarch64-linux-gnu-gcc"}
    scene.story.fact("goenv", "/usr/local/go/bin/go", values=values, written=["CC"], pid=1)

    finding = scene.finding("wrong-target-compiler")

    assert "CC=aarch64-linux-gnu-gcc, set by `go env -w`, chose it" in finding.message
    assert lines(finding)[-1] == "go env -u CC"


def test_a_header_of_libc_that_the_wrong_compiler_lacks_folds_under_it() -> None:
    settings = {**ARM64, "CGO_CFLAGS": "--sysroot=/usr/aarch64-linux-gnu"}
    scene = Scene(env=settings, tools=settings)
    missing_header(scene, "stdlib.h", "runtime/cgo")

    finding = scene.finding("wrong-target-compiler")

    assert [consequence.name for consequence in finding.consequences] == ["missing-header"]
    assert "CGO_CFLAGS=--sysroot=/usr/aarch64-linux-gnu" in lines(finding)[0]


def test_headers_of_another_system_come_with_its_compiler() -> None:
    settings = {**ARM64, "GOOS": "android"}
    scene = Scene(env=settings, tools=settings)
    assembler_fails(scene)
    missing_header(scene, "android/log.h", "runtime/cgo")

    finding = scene.finding("wrong-target-compiler")

    assert [consequence.name for consequence in finding.consequences] == ["missing-header"]
    assert "apt-get" not in " ".join(lines(finding))
    assert finding.fix[0].text.startswith("Name a C compiler that makes code for android/arm64")  # cgo is on already


def test_another_missing_header_is_a_root_cause_of_its_own() -> None:
    scene = Scene(env=ARM64, tools=ARM64)
    assembler_fails(scene)
    missing_header(scene, "sqlite3.h")

    assert [finding.name for finding in scene.findings()] == ["wrong-target-compiler", "missing-header"]


def test_a_failing_compile_by_the_right_compiler_is_none() -> None:
    scene = Scene()
    with scene.cgo("ex/hello") as cgo, scene.run(cgo, GCC, 1) as gcc, scene.run(gcc, CC1, 1) as cc1:
        scene.story.writes(cc1, "a.go:6:27: error: expected statement before ')' token\n")

    assert scene.findings() == []


def test_a_failing_go_build_that_uses_no_c() -> None:
    scene = Scene(env={"GOARCH": "arm64"}, tools={"GOARCH": "arm64", "CGO_ENABLED": "0"})
    scene.story.writes(1, "./e.go:2:15: declared and not used: x\n")

    assert scene.findings() == []


def test_a_healthy_build() -> None:
    scene = Scene(status=0)
    healthy(scene)

    assert scene.findings() == []


@pytest.mark.parametrize(
    ("triple", "platform", "fits"),
    [
        ("x86_64-linux-gnu", Platform("linux", "amd64"), True),
        ("x86_64-pc-linux-gnu", Platform("linux", "386"), True),
        ("i686-linux-gnu", Platform("linux", "386"), True),
        ("x86_64-linux-gnu", Platform("linux", "arm64"), False),
        ("aarch64-linux-gnu", Platform("linux", "arm64"), True),
        ("aarch64-linux-musl", Platform("linux", "arm64"), True),
        ("aarch64-alpine-linux-musl", Platform("linux", "arm64"), True),
        ("aarch64-linux-android21", Platform("linux", "arm64"), False),
        ("aarch64-linux-android21", Platform("android", "arm64"), True),
        ("arm-linux-gnueabihf", Platform("linux", "arm"), True),
        ("armv7l-unknown-linux-gnueabihf", Platform("linux", "arm"), True),
        ("arm64-apple-darwin22", Platform("darwin", "arm64"), True),
        ("arm64-apple-darwin22", Platform("linux", "arm"), False),
        ("arm-none-eabi", Platform("linux", "arm"), False),
        ("powerpc64-linux-gnu", Platform("linux", "ppc64le"), False),
        ("powerpc64le-linux-gnu", Platform("linux", "ppc64le"), True),
        ("mipsel-linux-gnu", Platform("linux", "mips"), False),
        ("x86_64-w64-mingw32", Platform("windows", "amd64"), True),
        ("x86_64-linux-gnu", Platform("windows", "amd64"), False),
        ("x86_64-linux-gnu", Platform("linux", "sparc64"), True),
    ],
)
def test_which_triples_fit(triple: str, platform: Platform, fits: bool) -> None:
    assert targets.fits(triple, platform) is fits


@pytest.mark.parametrize(
    ("command", "triple"),
    [
        ("/usr/bin/aarch64-linux-gnu-gcc-12", "aarch64-linux-gnu"),
        ("x86_64-w64-mingw32-g++", "x86_64-w64-mingw32"),
        ("gcc-12", None),
        ("musl-gcc", None),
    ],
)
def test_the_triple_in_a_compilers_name(command: str, triple: str | None) -> None:
    assert targets.triple_in_name(command) == triple


def test_a_wrapper_that_becomes_the_compiler_was_chosen_by_cc() -> None:
    settings = {**ARM64, "CC": "musl-gcc"}
    scene = Scene(env=settings, tools=settings)
    with scene.cgo("runtime/cgo", 0):
        pass
    assembler_fails(scene)

    assert "CC=musl-gcc chose it, which runs gcc" in scene.finding("wrong-target-compiler").message
