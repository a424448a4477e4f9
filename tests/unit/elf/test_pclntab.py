"""Go's function table in all its formats, in files built here."""

from __future__ import annotations

import pytest

from gotrace.elf.pclntab import FunctionTable, GoFunction
from tests.unit.elf.made import (
    MACHINES,
    READ,
    RUN,
    STRTAB,
    SYMTAB,
    WRITE,
    X86_64,
    GoFunc,
    Machine,
    Part,
    Sym,
    elf,
    elf_file,
    moduledata,
    pclntab,
    symbols,
)

TEXT, TABLE, DATA = 0x401000, 0x500000, 0x600000
END = 0x90
FUNCS = [
    GoFunc("runtime.first", 0x40, (("/go/asm.s", 3, 4), ("/go/proc.go", 200, 12))),
    GoFunc("main.(*T).Method", 0x50, (("/src/main.go", 7, 0x10), ("/src/main.go", 5, 0x20))),
    GoFunc("x_cgo_init", 0x80),
]
MACHINE_NAMES = ["x86_64", "i386", "s390x", "mips"]


def program(
    version: int,
    machine: Machine = X86_64,
    *,
    name: str = ".gopclntab",
    sections: bool = True,
    text: int = TEXT,
    header_text: int = 0,
    record: bool = True,
) -> bytes:
    parts = [
        Part(".text", bytes(0x200), TEXT, READ | RUN),
        Part(name, pclntab(FUNCS, END, version, text, machine, header_text), TABLE),
    ]
    if record:
        data = bytes(8 * machine.bits // 8) + moduledata(TABLE, text, FUNCS[0].start, END, machine)
        parts.append(Part(".data", data, DATA, READ | WRITE))
    return elf(parts, machine, sections=sections)


def looked_up(data: bytes, *addresses: int) -> list[tuple[str, tuple[str, int] | None] | None]:
    with elf_file(data) as file:
        table = FunctionTable.find(file)
        assert table is not None
        found = [(table.at(address), table.line_at(address)) for address in addresses]
    return [None if function is None else (function.name, line) for function, line in found]


@pytest.mark.parametrize("machine", MACHINES, ids=MACHINE_NAMES)
@pytest.mark.parametrize("version", [2, 16, 18, 20])
def test_each_format_names_functions_and_lines(version: int, machine: Machine) -> None:
    addresses = [TEXT + at for at in (0x3F, 0x40, 0x43, 0x44, 0x4F, 0x50, 0x60, 0x7F, 0x80, 0x8F, 0x90)]
    assert looked_up(program(version, machine), *addresses) == [
        None,
        ("runtime.first", ("/go/asm.s", 3)),
        ("runtime.first", ("/go/asm.s", 3)),
        ("runtime.first", ("/go/proc.go", 200)),
        ("runtime.first", ("/go/proc.go", 200)),
        ("main.(*T).Method", ("/src/main.go", 7)),
        ("main.(*T).Method", ("/src/main.go", 5)),
        ("main.(*T).Method", ("/src/main.go", 5)),
        ("x_cgo_init", None),
        ("x_cgo_init", None),
        None,
    ]


def test_a_function_has_its_place_and_says_whether_go_compiled_it() -> None:
    with elf_file(program(20)) as file:
        table = FunctionTable.find(file)
        assert table is not None
        assert (len(table), table.start, table.end) == (3, TEXT + 0x40, TEXT + END)
        assert table.at(TEXT + 0x55) == GoFunction("main.(*T).Method", TEXT + 0x50, 0x30, compiled=True)
        assert table.at(TEXT + 0x81) == GoFunction("x_cgo_init", TEXT + 0x80, 0x10, compiled=False)


@pytest.mark.parametrize("version", [2, 16, 18, 20])
def test_it_is_found_without_section_headers(version: int) -> None:
    assert looked_up(program(version, sections=False), TEXT + 0x50) == [("main.(*T).Method", ("/src/main.go", 7))]


@pytest.mark.parametrize("name", [".data.rel.ro.gopclntab", ".data.rel.ro"])
def test_it_is_found_where_linkers_of_position_independent_programs_put_it(name: str) -> None:
    assert looked_up(program(20, name=name), TEXT + 0x50) == [("main.(*T).Method", ("/src/main.go", 7))]


def test_the_text_begins_where_the_record_of_the_module_says() -> None:
    # A C linker puts start-up code before Go's, so that .text and Go's text begin at different places.
    data = program(20, text=TEXT + 0x100, header_text=TEXT)
    assert looked_up(data, TEXT + 0x50, TEXT + 0x150) == [None, ("main.(*T).Method", ("/src/main.go", 7))]


def test_without_that_record_the_header_says_it() -> None:
    data = program(18, text=TEXT + 0x100, header_text=TEXT + 0x100, record=False)
    assert looked_up(data, TEXT + 0x150) == [("main.(*T).Method", ("/src/main.go", 7))]


def test_without_either_a_symbol_says_it_and_else_there_are_no_names() -> None:
    table, names = symbols([Sym("runtime.text", TEXT + 0x100)])
    parts = [
        Part(".text", bytes(0x200), TEXT, READ | RUN),
        Part(".gopclntab", pclntab(FUNCS, END, 20, TEXT), TABLE),
        Part(".symtab", table, type=SYMTAB, link=".strtab"),
        Part(".strtab", names, type=STRTAB),
    ]
    assert looked_up(elf(parts), TEXT + 0x150) == [("main.(*T).Method", ("/src/main.go", 7))]
    with elf_file(elf(parts[:2])) as file:
        assert FunctionTable.find(file) is None


def test_a_file_without_a_table_has_none() -> None:
    for table in (b"", b"\xf1\xff\xff\xff\0\0\x01\x08", b"\xf1\xff\xff\xff\0\0\x01\x08" + bytes(200), bytes(300)):
        data = elf([Part(".text", bytes(64), TEXT, READ | RUN), Part(".gopclntab", table, TABLE)])
        with elf_file(data) as file:
            assert FunctionTable.find(file) is None


def test_many_false_headers_are_given_up_on() -> None:
    false = pclntab(FUNCS, 0, 20, TEXT)
    data = elf([Part(".text", bytes(64), TEXT, READ | RUN), Part("x", false * 2000, TABLE)], sections=False)
    with elf_file(data) as file:
        assert FunctionTable.find(file) is None
