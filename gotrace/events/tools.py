"""Which tool an exec is: the roles in a Go build, told by the path and the arguments alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum


class Role(StrEnum):
    """What a process image does in a Go build. `OTHER` is everything that is no tool of one."""

    GO = "go"
    COMPILE = "compile"
    ASM = "asm"
    CGO = "cgo"
    CC = "cc"
    """A C, C++ or Fortran compiler driver (gcc, clang, zig cc), or a wrapper in front of one (ccache gcc)."""
    CC1 = "cc1"
    AS = "as"
    COLLECT2 = "collect2"
    LD = "ld"
    PKG_CONFIG = "pkg-config"
    LINK = "link"
    PACK = "pack"
    VET = "vet"
    BUILDID = "buildid"
    TEST_BINARY = "test binary"
    OTHER = "other"


_GO_TOOLS = {role.value: role for role in (Role.COMPILE, Role.ASM, Role.CGO, Role.LINK, Role.PACK, Role.VET)}
_GO_TOOLS["buildid"] = Role.BUILDID

_TOOL_FOLDER = re.compile(r"(?:^|/)pkg/tool/\w+/[\w.-]+$|/[0-9a-f]{2}/[0-9a-f]{64}-d/[\w.-]+$")
"""$GOROOT/pkg/tool/linux_amd64/compile; since Go 1.25 also a tool that was built on demand into the build cache."""

_WORDS_IN_FRONT = 16
"""How many arguments are looked at for a flag that its caller puts in front: a link has thousands of them."""

_TOOL_ARGUMENTS = frozenset({"-V=full", "-importcfg", "-objdir", "-trimpath"})
"""What cmd/go gives its own tools; a program that is merely called `link` or `compile` is not called like that."""

_GO_NAME = re.compile(r"go(?:\d+(?:\.\d+)*(?:(?:rc|beta)\d+)?)?|gotip")
"""go, and the names of the version wrappers of golang.org/dl: go1.22.3, go1.23rc1, gotip."""

_GO_SUBCOMMANDS = frozenset(
    {"bug", "build", "clean", "doc", "env", "fix", "fmt", "generate", "get", "help", "install", "list", "mod", "run"}
    | {"telemetry", "test", "tool", "version", "vet", "work"}
)

_VERSION = r"(?:-?\d+(?:\.\d+)*)?"
_TRIPLE = r"(?:[\w.]+-){2,4}"
"""aarch64-linux-gnu-, x86_64-w64-mingw32-, x86_64-pc-linux-gnu-: in front of names too short to stand alone."""

_C_TOOLS = (
    # Before the drivers: "cc1" would be a "cc" of version 1.
    (Role.CC1, r"cc1|cc1plus|cc1obj|cc1objplus|lto1|f951|go1"),
    (
        Role.CC,
        rf"(?:.+-)?(?:gcc|g\+\+|clang|clang\+\+|gfortran|gccgo|flang){_VERSION}(?:-posix|-win32)?"
        rf"|(?:{_TRIPLE})?(?:cc|c\+\+|cpp|c89|c99|tcc|icc|icx|icpx){_VERSION}"
        r"|musl-cc|python-zig",
    ),
    (Role.AS, rf"(?:{_TRIPLE})?(?:as|gas)"),
    (Role.COLLECT2, r"collect2|lto-wrapper"),
    (Role.LD, rf"(?:{_TRIPLE})?(?:ld|ld\.(?:bfd|gold|lld|mold)|ld64\.lld|ld\.musl-clang|lld|mold){_VERSION}"),
    (Role.PKG_CONFIG, r"(?:.+-)?(?:pkg-config|pkgconf)(?:\.real)?"),
)
_C_TOOL_PATTERNS = tuple((role, re.compile(pattern)) for role, pattern in _C_TOOLS)

LAUNCHERS = frozenset({"ccache", "distcc", "sccache", "icecc", "gomacc"})
"""Programs that run a compiler for somebody: its whole command is their arguments, or they are called by its name."""

PYTHON = re.compile(r"python(?:\d+(?:\.\d+)*)?")
"""Names of Python, which runs the zig of the package ziglang: `python3 -m ziglang cc`."""

_ZIG_ROLES = {"cc": Role.CC, "c++": Role.CC, "clang": Role.CC, "ld.lld": Role.LD, "pkg-config": Role.PKG_CONFIG}

_TEST_BINARY = re.compile(r"/go-build\d*/b\d+/[^/]+\.test$")
_RUN_BINARY = re.compile(r"/go-build\d*/b\d+/exe/[^/]+$")
"""Where `go run` puts the user's own program, whatever that is called."""


def role_of(path: str, argv: Sequence[str] | None) -> Role:
    """The role of the image at `path` run with `argv` (None: unknown), successful or refused.

    A name alone decides for the C toolchain, because anything called like a compiler is meant as one. Go's own tools
    have names of every day's life (`link` is in coreutils), so they count only where Go keeps them or with the
    arguments that cmd/go gives them; `go` counts in a folder `bin` or `shims`, elsewhere with a subcommand of go.
    A script's `argv` may have its interpreter in front, as the kernel puts it there.
    """
    folder, _, name = path.rpartition("/")
    words = own_argv(path, argv or ())[1:]
    if _is_test_binary(path, name, words):
        return Role.TEST_BINARY
    go_tool = _go_tool(path, name, words)
    if go_tool is not None:
        return go_tool
    if _RUN_BINARY.search(path):
        return Role.OTHER
    if _GO_NAME.fullmatch(name):
        known_folder = folder.rpartition("/")[2] in {"bin", "shims"}
        return Role.GO if known_folder or (words and words[0] in _GO_SUBCOMMANDS) else Role.OTHER
    return _c_tool(name, words)


def is_tool(role: Role) -> bool:
    """Is this a tool of a build, whose stderr may be recorded? Programs of the user's own are not."""
    return role not in {Role.OTHER, Role.TEST_BINARY}


def own_argv(path: str, argv: Sequence[str]) -> Sequence[str]:
    """`argv` as the caller of the image at `path` gave it, its name first.

    The kernel puts a script's interpreter, perhaps with an option, in front (execve(2)); that is left out.
    """
    if argv and argv[0].rpartition("/")[2] != path.rpartition("/")[2]:
        for position in (1, 2):
            if len(argv) > position and argv[position] == path:
                return argv[position:]
    return argv


def _is_test_binary(path: str, name: str, words: Sequence[str]) -> bool:
    if name.endswith(".test") and _TEST_BINARY.search(path):
        return True
    return any(word.startswith("-test.") for word in words[:_WORDS_IN_FRONT]) and not _GO_NAME.fullmatch(name)


def _go_tool(path: str, name: str, words: Sequence[str]) -> Role | None:
    """The role of one of Go's own tools, OTHER for a tool of Go that has no role (cover), None for anything else."""
    role = _GO_TOOLS.get(name)
    if _TOOL_FOLDER.search(path):
        return role or Role.OTHER
    if role is not None and not _TOOL_ARGUMENTS.isdisjoint(words[:_WORDS_IN_FRONT]):
        return role
    if words and words[-1].endswith("/vet.cfg"):
        return Role.VET  # what `go vet -vettool=...` runs
    return None


def _c_tool(name: str, words: Sequence[str]) -> Role:
    if name in LAUNCHERS:
        return _launched(words)
    if name == "zig":
        return _zig(words)
    if PYTHON.fullmatch(name):
        return _zig(words[2:]) if tuple(words[:2]) == ("-m", "ziglang") else Role.OTHER
    for role, pattern in _C_TOOL_PATTERNS:
        if pattern.fullmatch(name):
            return (_inside_clang(words) or role) if role is Role.CC else role
    return Role.OTHER


def _launched(words: Sequence[str]) -> Role:
    """CC where the first word that is no option and no setting of the launcher names a compiler driver."""
    for position, word in enumerate(words):
        if word.startswith("-") or ("=" in word and "/" not in word.partition("=")[0]):
            continue
        inner = word.rpartition("/")[2]
        return Role.CC if inner not in LAUNCHERS and _c_tool(inner, words[position + 1 :]) is Role.CC else Role.OTHER
    return Role.OTHER


def _zig(words: Sequence[str]) -> Role:
    """zig is many tools in one binary: `zig cc`, `zig ld.lld`, and `zig clang -cc1` which it runs itself."""
    role = _ZIG_ROLES.get(words[0], Role.OTHER) if words else Role.OTHER
    return (_inside_clang(words[1:]) or role) if role is Role.CC else role


def _inside_clang(words: Sequence[str]) -> Role | None:
    """The compiler or the assembler that clang runs as another process of its own binary."""
    if not words:
        return None
    return {"-cc1": Role.CC1, "-cc1as": Role.AS}.get(words[0])
