"""Which functions of a static program are its C library's: the symbol table says it only by their names."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

from gotrace.elf.dynamic_table import DynamicTable, Tag
from gotrace.elf.elf_file import ElfFile
from gotrace.elf.functions import Function, Functions

_RESERVED: Final = ("__", "_IO_", "_dl_", "_nl_", "_nss_")
"""How names begin that no program may use (the C standard, 7.1.3), as far as C libraries do; mangled ones begin with
_Z or _R."""

_OF_CRTBEGIN: Final = frozenset({"frame_dummy", "deregister_tm_clones", "register_tm_clones"})
"""Of GCC's and Clang's first object, behind which come the program's own."""
_EXECUTABLE: Final = 2
_DF_1_PIE: Final = 0x08000000
"""Of <elf.h>: a program, by its type, or by a flag where it looks like a library."""


def is_static(file: ElfFile) -> bool:
    """Whether it is a program that needs no other file, so that it has its C library in itself, if any."""
    dynamic = DynamicTable(file)
    is_program = file.header.type == _EXECUTABLE or (dynamic.value(Tag.FLAGS_1) or 0) & _DF_1_PIE
    return bool(is_program) and not dynamic.values(Tag.NEEDED)


def is_of_libc(functions: Functions, function: Function) -> bool:
    """Whether a function of a static program, compiled from C, is the C library's.

    An exported one goes by its name: a program's own of that name is there in place of the library's. A local one may
    have any name. It is the library's where it lies between two such: linkers put what is of one object together.
    """
    if not function.local or function.name.startswith(_RESERVED):
        return _is_named_so(function)
    before, after = functions.beside(function, _OF_CRTBEGIN)
    return before is not None and after is not None and _is_named_so(before) and _is_named_so(after)


def _is_named_so(function: Function) -> bool:
    return function.name.startswith(_RESERVED) or function.name in _names()


@cache
def _names() -> frozenset[str]:
    return frozenset(files("gotrace.elf").joinpath("data/libc_functions.txt").read_text().split())
