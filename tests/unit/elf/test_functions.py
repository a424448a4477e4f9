"""The function at an address, by Go's table and by the symbol tables, in files built here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gotrace.elf.functions import Function, Functions
from tests.unit.elf.made import (
    DYNSYM,
    MACHINES,
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

TEXT = 0x401000
PLAIN = Part(".text", bytes(0x400), TEXT, READ | RUN)
LOCAL, GLOBAL, WEAK = 0, 1, 2
NOTYPE, OBJECT, FUNC, IFUNC = 0, 1, 2, 10


def file_of(found: list[Sym], *more: Part, dynamic: list[Sym] | None = None, machine: Machine = MACHINES[0]) -> bytes:
    table, names = symbols(found, machine)
    parts = [PLAIN, Part(".symtab", table, type=SYMTAB, link=".strtab"), Part(".strtab", names, type=STRTAB), *more]
    if dynamic is not None:
        table, names = symbols(dynamic, machine)
        parts.append(Part(".dynsym", table, type=DYNSYM, link=".dynstr"))
        parts.append(Part(".dynstr", names, type=STRTAB))
    return elf(parts, machine)


@contextmanager
def opened_functions(data: bytes) -> Iterator[Functions]:
    with opened(data) as fd:
        functions = Functions.open(fd)
        assert functions is not None
        with functions:
            yield functions


def at(data: bytes, *addresses: int) -> list[Function | None]:
    with opened_functions(data) as functions:
        return [functions.at(address) for address in addresses]


def names(data: bytes, *addresses: int) -> list[str]:
    return [found.name if found else "" for found in at(data, *addresses)]


@pytest.mark.parametrize("machine", MACHINES, ids=["x86_64", "i386", "s390x", "mips"])
def test_a_symbol_spans_its_size(machine: Machine) -> None:
    data = file_of([Sym("add", TEXT + 16, 8), Sym("pick", TEXT + 32, 4, IFUNC)], machine=machine)
    assert at(data, TEXT + 15, TEXT + 16, TEXT + 23, TEXT + 24, TEXT + 33) == [
        None,
        Function("add", TEXT + 16, 8, "c"),
        Function("add", TEXT + 16, 8, "c"),
        None,
        Function("pick", TEXT + 32, 4, "c"),
    ]


def test_one_of_no_size_reaches_to_the_next_or_to_the_end_of_its_section() -> None:
    data = file_of(
        [Sym("_start", TEXT + 8, 0, NOTYPE), Sym("dlsym", TEXT + 64, 0), Sym("late", TEXT + 96, 8)],
        Part(".fini", bytes(16), TEXT + 0x400, READ | RUN),
    )
    wanted = [TEXT, TEXT + 8, TEXT + 63, TEXT + 64, TEXT + 95, TEXT + 96, TEXT + 104]
    assert names(data, *wanted) == ["", "_start", "_start", "dlsym", "dlsym", "late", ""]
    data = file_of([Sym("last", TEXT + 8, 0)], Part(".fini", bytes(16), TEXT + 0x400, READ | RUN))
    assert names(data, TEXT + 0x3FF, TEXT + 0x400) == ["last", ""]


def test_a_function_inside_of_another_does_not_hide_it() -> None:
    data = file_of([Sym("outer", TEXT, 64), Sym("inner", TEXT + 16, 8)])
    assert names(data, TEXT + 8, TEXT + 16, TEXT + 40) == ["outer", "inner", "outer"]


def test_of_several_names_it_has_the_one_that_programmers_know() -> None:
    data = file_of(
        [
            Sym("__memcpy_avx_unaligned", TEXT, 32, binding=LOCAL),
            Sym("memcpy", TEXT, 32),
            Sym("__GI_memcpy", TEXT, 32, binding=WEAK),
            Sym("_memcpy", TEXT, 32),
        ]
    )
    assert names(data, TEXT + 4) == ["memcpy"]


def test_versions_data_and_what_is_undefined_are_no_names() -> None:
    data = file_of(
        [
            Sym("fopen@@GLIBC_2.2.5", TEXT, 16),
            Sym("stdout", TEXT + 32, 8, OBJECT),
            Sym("puts", TEXT + 64, 8, section=0),
            Sym("$x", TEXT + 96, 0, NOTYPE),
        ]
    )
    assert names(data, TEXT, TEXT + 33, TEXT + 65, TEXT + 100) == ["fopen", "", "", ""]


def test_the_dynamic_symbols_tell_what_was_stripped() -> None:
    data = file_of([Sym("hidden", TEXT, 16, binding=LOCAL)], dynamic=[Sym("shown", TEXT + 16, 16)])
    assert names(data, TEXT + 1, TEXT + 17) == ["hidden", "shown"]


def test_go_code_is_named_by_its_own_table_and_the_rest_by_symbols() -> None:
    funcs = [GoFunc("main.run", 0x100, (("/src/main.go", 9, 0x40),)), GoFunc("x_cgo_init", 0x140)]
    table = Part(".gopclntab", pclntab(funcs, 0x180, 20, TEXT), 0x500000)
    record = Part(".go.module", moduledata(0x500000, TEXT, 0x100, 0x180), 0x600000, READ | WRITE)
    data = file_of([Sym("add", TEXT, 16), Sym("main.run.abi0", TEXT + 0x100, 0x40)], table, record)
    with opened_functions(data) as functions:
        assert functions.at(TEXT + 3) == Function("add", TEXT, 16, "c")
        assert functions.at(TEXT + 0x103) == Function("main.run", TEXT + 0x100, 0x40, "go")
        assert functions.at(TEXT + 0x143) == Function("x_cgo_init", TEXT + 0x140, 0x40, "c")
        assert functions.line_at(TEXT + 0x103) == ("/src/main.go", 9)
        assert functions.line_at(TEXT + 3) is None


def test_a_file_without_symbols_names_nothing_and_what_is_no_elf_file_is_none() -> None:
    assert at(elf([PLAIN]), TEXT + 4) == [None]
    with opened(b"#!/bin/sh\n") as fd:
        assert Functions.open(fd) is None
