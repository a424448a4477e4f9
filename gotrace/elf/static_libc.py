"""Which functions of a static program are its C library's: the symbol table says it only by names and places."""

from __future__ import annotations

from bisect import bisect_right
from functools import cache
from importlib.resources import files
from typing import Final

from gotrace.elf.dynamic_table import DynamicTable, Tag
from gotrace.elf.elf_file import ElfFile
from gotrace.elf.functions import Function, Functions

_RESERVED: Final = ("__", "_IO_", "_dl_", "_nl_", "_nss_")
"""How names begin that no program may use (the C standard, 7.1.3), as far as C libraries do; mangled ones begin with
_Z or _R."""
_OF_CRTBEGIN: Final = frozenset({"frame_dummy", "deregister_tm_clones", "register_tm_clones", "__do_global_dtors_aux"})
"""Of GCC's and Clang's first object, behind which come the program's own."""
_FIRST_OF_MUSL: Final = frozenset({
    "closedir", "confstr", "dirfd", "fdopendir", "fpathconf", "opendir", "pathconf", "readdir", "readdir_r",
    "rewinddir", "scandir", "seekdir", "sysconf", "telldir",
})  # fmt: skip
"""What may come before the first reserved name: musl's archive has its folders conf and dirent in front."""
_EXECUTABLE: Final = 2
_DF_1_PIE: Final = 0x08000000
"""Of <elf.h>: a program, by its type, or by a flag where it looks like a library."""


def is_static(file: ElfFile) -> bool:
    """Whether it is a program that needs no other file, so that it has its C library in itself, if any."""
    dynamic = DynamicTable(file)
    is_program = file.header.type == _EXECUTABLE or (dynamic.value(Tag.FLAGS_1) or 0) & _DF_1_PIE
    return bool(is_program) and not dynamic.values(Tag.NEEDED)


class StaticLibc:
    """The C library in one static program.

    Linkers put the program's own objects behind those that begin each program, and the library behind them, object by
    object; only code that is seldom used, or at the start, lies before all that.
    """

    def __init__(self, functions: Functions) -> None:
        """Raises OSError where the file cannot be read."""
        listed = functions.of_symbols()
        begun = max((one.start for one in listed if one.name in _OF_CRTBEGIN), default=0)
        reserved = (one.start for one in listed if one.start > begun and one.name.startswith(_RESERVED))
        self._own = range(begun, next(reserved, begun))
        exported = [one for one in listed if not one.local]
        self._starts = [one.start for one in exported]
        self._are_its = [_is_named_so(one) for one in exported]

    def has(self, function: Function) -> bool:
        """Whether a function that was compiled from C is the library's.

        An exported one goes by its name, a local one may have any: it is the library's where it lies between two of it.
        """
        if function.start in self._own:
            return function.name in _FIRST_OF_MUSL
        if not function.local or function.name.startswith(_RESERVED):
            return _is_named_so(function)
        behind = bisect_right(self._starts, function.start)
        return all(self._are_its[behind - 1 : behind + 1]) and 0 < behind < len(self._starts)


def _is_named_so(function: Function) -> bool:
    return function.name.startswith(_RESERVED) or function.name in _names()


@cache
def _names() -> frozenset[str]:
    return frozenset(files("gotrace.elf").joinpath("data/libc_functions.txt").read_text().split())
