"""What Go wrote about a build, in blobs built here."""

from __future__ import annotations

import struct

import pytest

from gotrace.elf.buildinfo import BuildInfo, Module, build_info_of
from tests.unit.elf.made import MACHINES, READ, WRITE, Machine, Part, elf, opened

AT = 0x5000
TEXT = "\n".join(
    [
        "path\texample.org/app/cmd",
        "mod\texample.org/app\t(devel)\t",
        "=>\t../app",
        "dep\tgolang.org/x/sys\tv0.20.0\th1:sum=",
        "dep\texample.org/old\tv1.0.0",
        "=>\texample.org/new\tv1.1.0\th1:other=",
        "build\t-buildmode=exe",
        'build\t-ldflags="-X main.version=\\"1 2\\" -s"',
        'build\t"a=b"=c',
        "build\t-tags=`netgo,osusergo`",
        'build\tCGO_LDFLAGS="-L/a\\tb"',
        "build\tCGO_ENABLED=0",
        "",
    ]
)
EXPECTED = BuildInfo(
    "go1.22.1",
    "example.org/app/cmd",
    Module("example.org/app", "(devel)", replaced_by="../app"),
    (
        Module("golang.org/x/sys", "v0.20.0", "h1:sum="),
        Module("example.org/old", "v1.0.0", replaced_by="example.org/new v1.1.0"),
    ),
    {
        "-buildmode": "exe",
        "-ldflags": '-X main.version="1 2" -s',
        "a=b": "c",
        "-tags": "netgo,osusergo",
        "CGO_LDFLAGS": "-L/a\tb",
        "CGO_ENABLED": "0",
    },
)
FRAMED = b"s" * 16 + TEXT.encode() + b"e" * 16


def counted(text: bytes) -> bytes:
    length, out = len(text), b""
    while length >= 0x80:
        out += bytes([length & 0x7F | 0x80])
        length >>= 7
    return out + bytes([length]) + text


def inline(version: bytes = b"go1.22.1", module: bytes = FRAMED) -> bytes:
    return b"\xff Go buildinf:\x08\x02" + bytes(16) + counted(version) + counted(module)


def told(data: bytes) -> BuildInfo | None:
    with opened(data) as fd:
        return build_info_of(fd)


def program(blob: bytes, *more: Part, name: str = ".go.buildinfo", sections: bool = True) -> bytes:
    return elf([Part(name, blob, AT, READ | WRITE), *more], sections=sections)


@pytest.mark.parametrize("blob", [inline(), bytes(32) + inline(), b"\0\xff Go buildinf:\0" + inline()])
@pytest.mark.parametrize("sections", [True, False])
def test_all_that_go_wrote_is_told(blob: bytes, sections: bool) -> None:
    assert told(program(blob, sections=sections)) == EXPECTED


@pytest.mark.parametrize("machine", MACHINES, ids=["x86_64", "i386", "s390x", "mips"])
def test_the_format_until_go_1_17(machine: Machine) -> None:
    size = machine.bits // 8
    strings = machine.words(AT + 0x200, 8, AT + 0x300, len(FRAMED))
    header = (
        b"\xff Go buildinf:" + bytes([size, machine.order == ">"]) + machine.words(AT + 0x100, AT + 0x100 + 2 * size)
    )
    blob = header.ljust(0x100, b"\0") + strings.ljust(0x100, b"\0") + b"go1.22.1".ljust(0x100, b"\0") + FRAMED
    assert told(elf([Part(".data", blob, AT, READ | WRITE)], machine)) == EXPECTED


def test_a_program_built_without_modules_has_a_version_only() -> None:
    assert told(program(inline(module=b""))) == BuildInfo("go1.22.1")


@pytest.mark.parametrize(
    "value", ['"\\q"', '"\\ud800"', '"\\U00110000"', '"unclosed', '"', "`", '"a" + "b"', '"\\400"', "{1: 2}"]
)
def test_what_go_would_not_have_quoted_stays_as_it_is(value: str) -> None:
    text = f"path\tx\nbuild\t-x={value}\n"
    info = told(program(inline(module=b"s" * 16 + text.encode() + b"e" * 16)))
    assert info is not None
    assert info.settings == {"-x": value}


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        b"\xff Go buildinf:",
        inline(version=b""),
        inline()[:40],
        b"\xff Go buildinf:\x08\x02" + bytes(16) + b"\xff" * 20,
        b"\xff Go buildinf:\x08\x00" + b"\xff" * 16,
        b"\xff Go buildinf:\x03\x00" + bytes(16),
        b"\xff Go buildinf:\x04\x01" + struct.pack("<QQ", AT, AT),
    ],
)
def test_damage_is_no_build_info(blob: bytes) -> None:
    assert told(program(blob)) is None


def test_what_no_go_wrote_has_none() -> None:
    assert told(elf([Part(".text", bytes(64), 0x1000)])) is None
    assert told(b"#!/bin/sh\n") is None
