"""What the loader will want of a file, read from dynamic sections built here."""

from __future__ import annotations

import pytest

from gotrace.elf.requirements import NeededVersion, Requirements, requirements_of
from tests.unit.elf.made import INTERP, MACHINES, READ, Machine, Part, Sym, elf, opened
from tests.unit.elf.made_dynamic import dynamic

UNDEFINED = 0
SYMBOLS = [
    Sym("pthread_create", 0, section=UNDEFINED),
    Sym("SSL_new", 0, section=UNDEFINED),
    Sym("__gmon_start__", 0, binding=2, section=UNDEFINED),
    Sym("stderr", 0, type=1, section=UNDEFINED),
    Sym("main", 0x1000),
]


def read(parts: list[Part], machine: Machine = MACHINES[0], *, sections: bool = True) -> Requirements:
    with opened(elf(parts, machine, type=3, sections=sections)) as fd:
        found = requirements_of(fd)
    assert found is not None
    return found


@pytest.mark.parametrize("sections", [True, False], ids=["with sections", "without"])
@pytest.mark.parametrize("machine", MACHINES, ids=["x86_64", "i386", "s390x", "mips"])
def test_versions_are_told_with_the_symbols_that_need_them(machine: Machine, sections: bool) -> None:
    parts = dynamic(
        SYMBOLS,
        needed=["libssl.so.3", "libc.so.6"],
        texts=[(14, "libapp.so.1"), (29, "$ORIGIN/lib:/opt/lib"), (15, "/old")],
        needs=[
            ("libssl.so.3", [("OPENSSL_3.0.0", 2)]),
            ("libc.so.6", [("GLIBC_2.34", 3), ("GLIBC_2.2.5", 4), ("GLIBC_ABI_DT_RELR", 5)]),
        ],
        versions=[3, 2, 0, 4, 1],
        machine=machine,
    )
    found = read(
        [*parts, Part(".interp", b"/lib64/ld-linux-x86-64.so.2\0", 0x1000, kind=INTERP)], machine, sections=sections
    )
    assert found == Requirements(
        interpreter="/lib64/ld-linux-x86-64.so.2",
        soname="libapp.so.1",
        needed=("libssl.so.3", "libc.so.6"),
        rpath=("/old",),
        runpath=("$ORIGIN/lib", "/opt/lib"),
        versions=(
            NeededVersion("libssl.so.3", "OPENSSL_3.0.0", ("SSL_new",)),
            NeededVersion("libc.so.6", "GLIBC_2.34", ("pthread_create",)),
            NeededVersion("libc.so.6", "GLIBC_2.2.5", ("stderr",)),
            NeededVersion("libc.so.6", "GLIBC_ABI_DT_RELR", ()),
        ),
        undefined=("pthread_create", "SSL_new", "stderr"),
        weak=("__gmon_start__",),
    )


def test_what_a_library_defines_is_told_without_its_own_name() -> None:
    found = read(dynamic(defines=[("libapp.so.1", 1), ("APP_1.0", 2), ("APP_1.1", 3)]))
    assert found.defined_versions == ("APP_1.0", "APP_1.1")


@pytest.mark.parametrize(
    ("flags", "changed"),
    [
        ([], {}),
        ([(36, 0x1000), (35, 8)], {"relr": True}),
        ([(30, 16)], {"static_tls": True}),
        ([(30, 8)], {"bind_now": True}),
        ([(24, 0)], {"bind_now": True}),
        ([(0x6FFFFFFB, 1)], {"bind_now": True}),
        ([(22, 0)], {"text_relocations": True}),
        ([(30, 4)], {"text_relocations": True}),
    ],
)
def test_flags(flags: list[tuple[int, int]], changed: dict[str, bool]) -> None:
    assert read(dynamic(flags=flags)) == Requirements(**changed)  # type: ignore[arg-type]


def test_stack_and_thread_local_variables() -> None:
    parts = [
        Part(".tdata", bytes(24), 0x2000, kind=7),
        Part(".stack", bytes(1 << 12), 0x3000, READ | 1, kind=0x6474E551),
    ]
    found = read([*dynamic(), *parts])
    assert (found.tls_size, found.stack_size, found.executable_stack) == (24, 4096, True)


def test_a_static_file_has_none_and_what_is_no_elf_file_is_none() -> None:
    assert read([Part(".text", bytes(8), 0x1000)]) == Requirements()
    with opened(b"#!/bin/sh\n") as fd:
        assert requirements_of(fd) is None
