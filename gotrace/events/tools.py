"""Which tool an exec is: the roles in a Go build, told by the path and the arguments alone."""

from __future__ import annotations

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
