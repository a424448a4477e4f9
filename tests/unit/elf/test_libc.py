"""Which C library a file is or needs, and where the loader's functions are, in files built here."""

from __future__ import annotations

import pytest

from gotrace.elf.libc import Libc, libc_of, loaders_of
from tests.unit.elf.made import INTERP, READ, RUN, STRTAB, SYMTAB, Part, Sym, elf, elf_file, opened, symbols
from tests.unit.elf.made_dynamic import dynamic

TEXT = Part(".text", bytes(0x100), 0x1000, READ | RUN)
GLIBC = b"\0GNU C Library (Debian GLIBC 2.36-9+deb12u14) stable release version 2.36.\nCopyright"
LOADER = b"\0ld.so (GNU libc) stable release version 2.40.1.\n"
MUSL = b"\0musl libc (x86_64)\nVersion %s\n\x001.2.3\0"
DEFINES = [("libc.so.6", 1), ("GLIBC_2.2.5", 2), ("GLIBC_2.34", 3), ("GLIBC_PRIVATE", 4)]


def constants(text: bytes) -> Part:
    return Part(".rodata", text, 0x4000)


def interpreter(path: str) -> Part:
    return Part(".interp", path.encode() + b"\0", 0x3000, kind=INTERP)


def asks(*versions: str) -> list[tuple[str, list[tuple[str, int]]]]:
    return [("libc.so.6", [(version, index) for index, version in enumerate(versions, 2)])]


def told(parts: list[Part], type: int = 3) -> Libc | None:
    with opened(elf(parts, type=type)) as fd:
        return libc_of(fd)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([*dynamic(texts=[(14, "libc.so.6")], defines=DEFINES), constants(GLIBC)], Libc("glibc", "is", "2.36")),
        ([*dynamic(texts=[(14, "libc.so.6")], defines=DEFINES), constants(b"stripped")], Libc("glibc", "is", "2.34")),
        (
            [*dynamic(texts=[(14, "ld-linux-x86-64.so.2")], defines=DEFINES), constants(LOADER)],
            Libc("glibc", "is", "2.40.1"),
        ),
        ([*dynamic(), constants(MUSL)], Libc("musl", "is", "1.2.3")),
        # libm, libdl ... of glibc define its versions too.
        (
            dynamic(needed=["libc.so.6"], texts=[(14, "libm.so.6")], defines=DEFINES, needs=asks("GLIBC_2.2.5")),
            Libc("glibc", "dynamic", "2.2.5"),
        ),
    ],
)
def test_a_library_of_c_itself(parts: list[Part], expected: Libc) -> None:
    assert told(parts) == expected


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (
            [
                *dynamic(needed=["libc.so.6"], needs=asks("GLIBC_2.4", "GLIBC_2.34", "GLIBC_2.9", "GLIBC_ABI_DT_RELR")),
                interpreter("/lib64/ld-linux-x86-64.so.2"),
            ],
            Libc("glibc", "dynamic", "2.34"),
        ),
        ([*dynamic(needed=["libc.so"]), interpreter("/lib/ld-musl-x86_64.so.1")], Libc("musl", "dynamic")),
        (dynamic(needed=["libc.musl-x86_64.so.1"]), Libc("musl", "dynamic")),
        (dynamic(needed=["libc.so"]), Libc("musl", "dynamic")),
        (dynamic(needed=["libc.so.6"]), Libc("glibc", "dynamic")),
        ([*dynamic(needed=["libc.so"]), interpreter("/system/bin/linker64")], Libc("bionic", "dynamic")),
        ([*dynamic(needed=["libfoo.so"]), interpreter("/opt/loader")], Libc("other", "dynamic")),
    ],
)
def test_a_file_that_needs_one(parts: list[Part], expected: Libc) -> None:
    assert told(parts) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"\0GLIBC_TUNABLES\0", Libc("glibc", "static")),
        (b"\0FATAL: kernel too old\n\0" + GLIBC, Libc("glibc", "static", "2.36")),
        (b"\0No error information\0Illegal byte sequence\0", Libc("musl", "static")),
        (b"pure Go", Libc("none", "none")),
    ],
)
def test_a_static_program(text: bytes, expected: Libc) -> None:
    assert told([TEXT, constants(text)], type=2) == expected


def test_what_is_no_elf_file_has_none() -> None:
    with opened(b"GROUP ( /lib/libc.so.6 )") as fd:
        assert libc_of(fd) is None
        assert loaders_of(fd) == {}


def test_the_functions_that_load_are_found_in_either_table() -> None:
    table, names = symbols([Sym("dlerror", 0x1050, 4), Sym("dlopen", 0x1010, 8)])
    parts = [
        TEXT,
        *dynamic(
            [
                Sym("dlopen", 0x1010, 8),
                Sym("dlopen", 0x1010, 8),
                Sym("dlmopen", 0x1020, 8),
                Sym("dlmopen", 0x1028, 8),
                Sym("dlsym", 0x1030),
                Sym("dlvsym", 0x1040, section=0),
                Sym("xdlopen", 0x1060, 8),
            ]
        ),
        Part(".symtab", table, type=SYMTAB, link=".strtab"),
        Part(".strtab", names, type=STRTAB),
    ]
    with elf_file(elf(parts, type=3)) as file:
        start = file.offset_of(TEXT.address)
    assert start is not None
    with opened(elf(parts, type=3)) as fd:
        found = loaders_of(fd)
    assert found == {
        "dlopen": [start + 0x10],
        "dlmopen": [start + 0x20, start + 0x28],
        "dlsym": [start + 0x30],
        "dlerror": [start + 0x50],
    }


@pytest.mark.parametrize("symbol", [Sym("dlopen", 0x4000), Sym("dlopen", 0x9000), Sym("dlopen", 0x1010, type=1)])
def test_what_is_no_code_is_no_function(symbol: Sym) -> None:
    with opened(elf([TEXT, constants(b"x" * 64), *dynamic([symbol])], type=3)) as fd:
        assert loaders_of(fd) == {}
