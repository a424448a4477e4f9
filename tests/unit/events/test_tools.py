"""Which tool an exec is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotrace.events.tools import Role, is_tool, role_of

TOOLS = "/usr/local/go/pkg/tool/linux_amd64"
BUILT_TOOL = f"/home/me/.cache/go-build/3f/{'3f' * 32}-d"

BY_PATH = {
    "/usr/local/go/bin/go": Role.GO,
    "/usr/lib/go-1.22/bin/go": Role.GO,
    "/home/me/go/bin/go1.22.3": Role.GO,
    "/home/me/go/bin/go1.23rc1": Role.GO,
    "/home/me/go/bin/gotip": Role.GO,
    "/home/me/.goenv/shims/go": Role.GO,
    f"{TOOLS}/compile": Role.COMPILE,
    f"{TOOLS}/asm": Role.ASM,
    f"{TOOLS}/cgo": Role.CGO,
    f"{TOOLS}/link": Role.LINK,
    f"{TOOLS}/pack": Role.PACK,
    f"{TOOLS}/vet": Role.VET,
    f"{TOOLS}/buildid": Role.BUILDID,
    f"{TOOLS}/cover": Role.OTHER,
    f"{BUILT_TOOL}/pack": Role.PACK,
    f"{BUILT_TOOL}/covdata": Role.OTHER,
    "/usr/bin/gcc": Role.CC,
    "/usr/bin/gcc-12": Role.CC,
    "/usr/bin/g++": Role.CC,
    "/usr/bin/cc": Role.CC,
    "/usr/bin/c++": Role.CC,
    "/usr/bin/clang": Role.CC,
    "/usr/bin/clang++-14": Role.CC,
    "/usr/bin/gfortran": Role.CC,
    "/usr/bin/tcc": Role.CC,
    "/opt/intel/bin/icx": Role.CC,
    "/usr/bin/aarch64-linux-gnu-gcc-12": Role.CC,
    "/usr/bin/x86_64-w64-mingw32-gcc": Role.CC,
    "/usr/bin/x86_64-w64-mingw32-gcc-win32": Role.CC,
    "/usr/bin/x86_64-w64-mingw32-g++-posix": Role.CC,
    "/usr/bin/x86_64-pc-linux-gnu-cc": Role.CC,
    "/opt/ndk/aarch64-linux-android21-clang": Role.CC,
    "/opt/osxcross/bin/o64-clang": Role.CC,
    "/usr/bin/musl-gcc": Role.CC,
    "/usr/bin/c99-gcc": Role.CC,
    "/usr/lib/ccache/gcc": Role.CC,
    "gcc": Role.CC,
    "/usr/lib/gcc/x86_64-linux-gnu/12/cc1": Role.CC1,
    "/usr/lib/gcc/x86_64-linux-gnu/12/cc1plus": Role.CC1,
    "/usr/lib/gcc/x86_64-linux-gnu/12/cc1obj": Role.CC1,
    "/usr/lib/gcc/x86_64-linux-gnu/12/lto1": Role.CC1,
    "/usr/lib/gcc/x86_64-linux-gnu/12/collect2": Role.COLLECT2,
    "/usr/lib/gcc/x86_64-linux-gnu/12/lto-wrapper": Role.COLLECT2,
    "/usr/bin/as": Role.AS,
    "/usr/aarch64-linux-gnu/bin/as": Role.AS,
    "/usr/bin/aarch64-linux-gnu-as": Role.AS,
    "/usr/bin/ld": Role.LD,
    "/usr/bin/ld.bfd": Role.LD,
    "/usr/bin/ld.gold": Role.LD,
    "/usr/bin/ld.lld-14": Role.LD,
    "/usr/bin/lld": Role.LD,
    "/usr/bin/mold": Role.LD,
    "/usr/bin/aarch64-linux-gnu-ld.bfd": Role.LD,
    "/usr/bin/pkg-config": Role.PKG_CONFIG,
    "/usr/bin/pkgconf": Role.PKG_CONFIG,
    "/usr/bin/aarch64-linux-gnu-pkg-config": Role.PKG_CONFIG,
    # no tools of a build
    "": Role.OTHER,
    "/bin/sh": Role.OTHER,
    "/usr/bin/link": Role.OTHER,
    "/usr/bin/pack": Role.OTHER,
    "/home/me/bin/compile": Role.OTHER,
    "/home/me/game/go": Role.OTHER,
    "/usr/bin/gofmt": Role.OTHER,
    "/usr/bin/gcc-ar": Role.OTHER,
    "/usr/bin/gcc-nm-12": Role.OTHER,
    "/usr/bin/llvm-as": Role.OTHER,
    "/usr/bin/run-as": Role.OTHER,
    "/lib64/ld-linux-x86-64.so.2": Role.OTHER,
    "/usr/bin/ld.so": Role.OTHER,
    "/usr/bin/clang-format": Role.OTHER,
    "/usr/bin/clangd": Role.OTHER,
    "/tmp/go-build123/b001/exe/gcc": Role.OTHER,
    "/tmp/go-build123/b001/x.test": Role.TEST_BINARY,
    "/home/me/x.test": Role.OTHER,
}


@pytest.mark.parametrize(("path", "role"), BY_PATH.items())
def test_a_path_alone_tells_most_roles(path: str, role: Role) -> None:
    assert role_of(path, None) is role
    assert role_of(path, [path]) is role


@pytest.mark.parametrize(
    ("path", "argv", "role"),
    [
        # launchers in front of a compiler
        ("/usr/bin/ccache", ["ccache", "gcc", "-c", "x.c"], Role.CC),
        ("/usr/bin/ccache", ["ccache", "sloppiness=time_macros", "/usr/bin/aarch64-linux-gnu-gcc", "-c"], Role.CC),
        ("/usr/bin/ccache", ["ccache", "-s"], Role.OTHER),
        ("/usr/bin/ccache", ["ccache", "ls"], Role.OTHER),
        ("/usr/bin/ccache", None, Role.OTHER),
        ("/usr/bin/sccache", ["sccache", "clang", "-cc1"], Role.OTHER),
        ("/usr/bin/distcc", ["distcc", "g++", "x.cc"], Role.CC),
        # zig is many tools
        ("/opt/zig/zig", ["zig", "cc", "-target", "aarch64-linux-musl"], Role.CC),
        ("/opt/zig/zig", ["zig", "c++", "x.cc"], Role.CC),
        ("/opt/zig/zig", ["zig", "clang", "-cc1", "x.c"], Role.CC1),
        ("/opt/zig/zig", ["zig", "ld.lld", "x.o"], Role.LD),
        ("/opt/zig/zig", ["zig", "build"], Role.OTHER),
        ("/opt/zig/zig", ["zig"], Role.OTHER),
        ("/usr/bin/python3", ["python3", "-m", "ziglang", "cc", "x.c"], Role.CC),
        ("/usr/bin/python3.11", ["python", "-m", "ziglang", "build"], Role.OTHER),
        ("/usr/bin/python3", ["python3", "-m", "http.server"], Role.OTHER),
        # clang runs itself as compiler and as assembler
        ("/usr/lib/llvm-14/bin/clang", ["clang", "-cc1", "-triple", "x"], Role.CC1),
        ("/usr/lib/llvm-14/bin/clang", ["clang", "-cc1as", "-triple", "x"], Role.AS),
        # scripts: the kernel puts the interpreter in front
        ("/usr/bin/musl-gcc", ["/bin/sh", "/usr/bin/musl-gcc", "-c", "x.c"], Role.CC),
        ("/home/me/game/go", ["/bin/sh", "-e", "/home/me/game/go", "build"], Role.GO),
        # everyday names: what cmd/go gives its tools tells them
        ("/tmp/go-build1/b001/exe/compile", ["compile", "-V=full"], Role.COMPILE),
        ("/home/me/go/pkg/bootstrap/bin/link", ["link", "-o", "x", "-importcfg", "y"], Role.LINK),
        ("/usr/bin/link", ["link", "a", "b"], Role.OTHER),
        ("/home/me/bin/staticcheck", ["staticcheck", "/tmp/go-build1/b001/vet.cfg"], Role.VET),
        # go, and programs that are merely called like it
        ("./go", ["./go", "build", "."], Role.GO),
        ("/home/me/game/go", ["go", "--board", "19"], Role.OTHER),
        ("/usr/local/go/bin/go", ["go", "test", "-test.v"], Role.GO),
        # test binaries
        ("/home/me/x.test", ["x.test", "-test.timeout=10m0s"], Role.TEST_BINARY),
        ("/home/me/mytests", ["mytests", "-test.v=true"], Role.TEST_BINARY),
        ("/usr/bin/printf", ["printf", *["x"] * 5000, "-test.v"], Role.OTHER),
        ("/usr/bin/qemu-aarch64", ["qemu-aarch64", "/tmp/go-build1/b001/x.test", "-test.v"], Role.TEST_BINARY),
        # an empty argument vector
        ("/usr/bin/gcc", [], Role.CC),
        ("/opt/zig/zig", [], Role.OTHER),
    ],
)
def test_arguments_tell_the_rest(path: str, argv: list[str] | None, role: Role) -> None:
    assert role_of(path, argv) is role


def test_only_the_tools_of_a_build_may_be_listened_to() -> None:
    assert {role for role in Role if not is_tool(role)} == {Role.OTHER, Role.TEST_BINARY}


words = st.sampled_from(["-m", "ziglang", "cc", "gcc", "ccache", "-V=full", "build", "/x/y", "", "-cc1"]) | st.text()


@given(words | st.builds("/bin/{}".format, words), st.none() | st.lists(words, max_size=6))
def test_any_exec_has_a_role(path: str, argv: list[str] | None) -> None:
    assert role_of(path, argv) in Role
