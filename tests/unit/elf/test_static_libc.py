"""Which functions of a static program are its C library's."""

from __future__ import annotations

from gotrace.elf.functions import Function
from gotrace.elf.static_libc import StaticLibc
from tests.unit.elf.made import Sym
from tests.unit.elf.test_functions import FUNC, GLOBAL, LOCAL, TEXT, WEAK, file_of, opened_functions

LAID_OUT = [
    ("_start", GLOBAL, False),
    ("_dl_relocate_static_pie", GLOBAL, True),
    ("abort", GLOBAL, True),
    ("main", GLOBAL, False),
    ("deregister_tm_clones", LOCAL, False),
    ("frame_dummy", LOCAL, False),
    ("look", LOCAL, False),
    ("helper", LOCAL, False),
    ("open_table", GLOBAL, False),
    ("remove", GLOBAL, False),
    ("error", LOCAL, False),
    ("opendir", GLOBAL, True),
    ("__init_libc", GLOBAL, True),
    ("fopen", WEAK, True),
    ("opendir_tail", LOCAL, True),
    ("__opendir", GLOBAL, True),
    ("_IO_file_open", LOCAL, True),
    ("memcpy_sse2", LOCAL, True),
    ("read", GLOBAL, True),
    ("at_the_end", LOCAL, False),
    ("_ZN3foo4openEv", GLOBAL, False),
]
"""Functions of a program as a linker lays them out: what begins each program, its own, two of them named like others of
the library, and the library."""


def test_by_their_names_and_places() -> None:
    found = [Sym(name, TEXT + 16 * number, 16, FUNC, bind) for number, (name, bind, _) in enumerate(LAID_OUT)]
    told = {}
    with opened_functions(file_of(found)) as functions:
        for number, (name, binding, _) in enumerate(LAID_OUT):
            function = functions.at(TEXT + 16 * number + 3)
            assert function is not None
            assert (function.name, function.local) == (name, binding == LOCAL)
            told[name] = StaticLibc(functions).has(function)
    assert told == {name: expected for name, _, expected in LAID_OUT}


def test_of_a_function_that_is_nowhere() -> None:
    with opened_functions(file_of([Sym("read", TEXT, 16, FUNC, GLOBAL)])) as functions:
        assert not StaticLibc(functions).has(Function("lost", TEXT + 64, 16, "c", local=True))
