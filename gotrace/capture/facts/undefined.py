"""Symbols that a program or a library needs and that nothing it loaded defines: `undefined_symbols` facts."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from gotrace.capture.facts.found import Found, real, recorded
from gotrace.capture.facts.loads import Load, loads
from gotrace.capture.facts.processes import Processes
from gotrace.elf.elf_file import ElfFile
from gotrace.elf.symbol_table import LOCAL, UNDEFINED, dynamic_symbols
from gotrace.events.model import KnownEvent

_MOST_FILES: Final = 64
_MOST_SYMBOLS: Final = 32
_OF_COMPILERS: Final = (
    "libresolv.so.2", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libcrypt.so.1",
    "libstdc++.so.6", "libgcc_s.so.1",
)  # fmt: skip
"""Libraries that come with a C library and a compiler, and that a link has to name."""


def undefined_symbol_facts(processes: Processes, events: Sequence[KnownEvent]) -> list[Found]:
    """One for each mapped file that lacks symbols, of processes that their loader ended or whose dlopen it refused."""
    found = []
    for load in loads(processes, events):
        if (load.ended_by_loader or load.refused) and load.life.failed and len(load.mapped) <= _MOST_FILES:
            found += list(_of(load))
    return found


def _of(load: Load) -> Iterator[Found]:
    defined: set[str] = set()
    for path in (*load.mapped, *load.opened):
        defined |= _defined(real(path))
    for path, needs in load.requirements():
        missing = [name for name in needs.undefined if name not in defined]
        if missing:
            data = {
                "symbols": [recorded(name) for name in missing[:_MOST_SYMBOLS]],
                "count": len(missing),
                "defined_in": {recorded(name): recorded(file) for name, file in _elsewhere(load, missing)},
            }
            yield Found("undefined_symbols", path, data, load.life.pid)


def _elsewhere(load: Load, missing: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Which of the compiler's libraries, beside the C library that was loaded, has a missing symbol."""
    folders = {os.path.dirname(os.path.realpath(real(path))) for path in load.mapped if "/libc" in path}  # noqa: PTH120
    wanted = set(missing)
    for folder in sorted(folders):
        for name in _OF_COMPILERS:
            file = f"{folder}/{name}"
            for symbol in sorted(wanted & _defined(file)):
                wanted.discard(symbol)
                yield symbol, file


def _defined(path: str) -> set[str]:
    """The symbols that a file has for others."""
    with suppress(OSError, ValueError):
        opened = ElfFile.open(path) if Path(path).is_file() else None
        if opened is None:
            return set()
        with opened:
            table = dynamic_symbols(opened)
            if table is not None:
                return {
                    table.name(name)
                    for name, info, section, _, _ in table.fields()
                    if section != UNDEFINED and info >> 4 != LOCAL
                }
    return set()
