"""Any damage to a file is an answer, possibly none: no exception, no end of waiting."""

from __future__ import annotations

import os
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from gotrace.elf.buildinfo import build_info_of
from gotrace.elf.functions import Functions
from gotrace.elf.identity import identity_of
from gotrace.elf.libc import libc_of, loaders_of
from gotrace.elf.requirements import requirements_of
from tests.unit.elf.made import (
    INTERP,
    MACHINES,
    NOTE,
    READ,
    RUN,
    STRTAB,
    SYMTAB,
    WRITE,
    GoFunc,
    Machine,
    Part,
    Sym,
    elf,
    moduledata,
    opened,
    pclntab,
    symbols,
)
from tests.unit.elf.made_dynamic import dynamic
from tests.unit.elf.test_buildinfo import inline
from tests.unit.elf.test_identity import note

TEXT = 0x401000
LINES = (("/src/a.go", 7, 16), ("/src/b.go", 9, 32))


def everything(machine: Machine, version: int, *, sections: bool) -> bytes:
    """A file that has something of all that is read."""
    funcs = [GoFunc("main.main", 0x40, LINES), GoFunc("main.run", 0x70, LINES)]
    table, names = symbols([Sym("add", TEXT + 8, 8), Sym("dlopen", TEXT + 16)], machine)
    parts = [
        Part(".interp", b"/lib64/ld-linux-x86-64.so.2\0", 0x1000, kind=INTERP),
        Part(".note", note(b"GNU\0", 3, bytes(20), machine.order), 0x2000, kind=NOTE),
        *dynamic(
            [Sym("dlsym", TEXT + 24), Sym("puts", 0, section=0), Sym("dlopen", TEXT + 16)],
            needed=["libc.so.6"],
            texts=[(14, "libx.so"), (29, "$ORIGIN")],
            flags=[(7, 0x2000), (8, 64)],
            needs=[("libc.so.6", [("GLIBC_2.2.5", 2), ("GLIBC_2.34", 3)])],
            defines=[("libx.so", 1), ("X_1", 4)],
            versions=[4, 3, 4],
            machine=machine,
        ),
        Part(".text", bytes(0x100), TEXT, READ | RUN),
        Part(".gopclntab", pclntab(funcs, 0xA0, version, TEXT, machine), 0x500000),
        Part(".go.module", moduledata(0x500000, TEXT, 0x40, 0xA0, machine), 0x600000, READ | WRITE),
        Part(".go.buildinfo", inline(), 0x610000, READ | WRITE),
        Part(".symtab", table, type=SYMTAB, link=".strtab"),
        Part(".strtab", names, type=STRTAB),
    ]
    return elf(parts, machine, type=3, sections=sections)


FILES = [
    everything(machine, version, sections=sections)
    for machine in MACHINES
    for version in (2, 16, 20)
    for sections in (True, False)
]
INTERESTING = st.sampled_from([0, 1, 7, 0x7F, 0x80, 0xFF])
DAMAGE = st.lists(st.tuples(st.integers(0, 1 << 13), INTERESTING | st.integers(0, 255), st.integers(1, 9)), max_size=6)


def ask_all(fd: int) -> None:
    """Every question that a file is asked."""
    identity_of(fd)
    build_info_of(fd)
    libc_of(fd)
    loaders_of(fd)
    requirements_of(fd)
    functions = Functions.open(fd)
    if functions is not None:
        with functions:
            for address in (0, TEXT + 9, TEXT + 17, TEXT + 0x45, TEXT + 0x72, TEXT + 0xFF, (1 << 64) - 1):
                functions.at(address)
                functions.line_at(address)
                functions.line_at(address, own=True)
                functions.file.address_at(address, 0x1000, 0)


@settings(max_examples=400)
@given(st.sampled_from(FILES), DAMAGE, st.integers(0, 1 << 14))
def test_changed_bytes_and_a_cut(data: bytes, damage: list[tuple[int, int, int]], cut: int) -> None:
    damaged = bytearray(data)
    for place, byte, count in damage:
        at = place % len(damaged)
        damaged[at : at + count] = bytes([byte]) * len(damaged[at : at + count])
    with opened(bytes(damaged[: max(cut, 20)])) as fd:
        ask_all(fd)


@settings(max_examples=100)
@given(st.integers(1, 2), st.integers(1, 2), st.binary(max_size=600))
def test_a_header_and_noise(elf_class: int, order: int, noise: bytes) -> None:
    with opened(b"\x7fELF" + bytes([elf_class, order, 1]) + bytes(9) + noise) as fd:
        ask_all(fd)


def test_chains_that_hardly_move_on_end() -> None:
    parts = dynamic([Sym("puts", 0, section=0)], needs=[("libc.so.6", [("GLIBC_2.34", 2)])], versions=[2])
    # 900 libraries with 65,535 versions each, every one of which is the next but one byte.
    entry = b"\0\0\0\0\0\0\x02\0" + b"\x01\0\0\0" + b"\x01\0\0\0"
    chain = (b"\x01\0\xff\xff" + bytes(4) + b"\x10\0\0\0\x01\0\0\0" + entry) * 900
    looped = [replace(part, data=chain) if part.name == ".gnu.version_r" else part for part in parts]
    with opened(elf(looped, type=3)) as fd:
        assert requirements_of(fd) is not None


def test_a_file_that_says_it_is_huge_costs_nothing() -> None:
    data = bytearray(FILES[0])
    with opened(bytes(data)) as fd:
        os.ftruncate(fd, 1 << 40)
        requirements_of(fd)
        identity_of(fd)
        loaders_of(fd)
