"""What the loader will want of a file, and do for it: libraries, versions, symbols, where it looks, what it allocates.

Sources: ld.so(8); <elf.h>; "ELF Symbol Versioning" by Ulrich Drepper; for DT_RELR the generic ABI's "RELR" section;
for PT_GNU_STACK's size musl's ldso/dynlink.c and src/thread/pthread_create.c, which take it as a thread's stack size.
"""

from __future__ import annotations

import os
import struct
from itertools import islice
from typing import NamedTuple

from gotrace.elf.dynamic_table import DynamicTable, Tag
from gotrace.elf.elf_file import PT_GNU_STACK, PT_INTERP, PT_TLS, ElfFile, decoded, reading
from gotrace.elf.symbol_table import LOCAL, UNDEFINED, WEAK, Symbol, SymbolTable, dynamic_symbols
from gotrace.elf.versions import VERSYM_HIDDEN, defined_versions, needed_versions

DF_TEXTREL = 4
DF_BIND_NOW = 8
DF_STATIC_TLS = 16
DF_1_NOW = 1

_LONGEST_PATH = 4096
_MOST_SYMBOLS = 1 << 17


class NeededVersion(NamedTuple):
    """A version that another library has to define, and for what."""

    library: str
    version: str
    symbols: tuple[str, ...]
    """The undefined symbols that are bound to it, in the order of the file. Empty: it marks no symbol (of itself)."""


class Requirements(NamedTuple):
    """What loading one file takes. Texts are as in the file; nothing is resolved."""

    interpreter: str = ""
    """The loader that it names (PT_INTERP); empty for a library and for a static program."""
    soname: str = ""
    needed: tuple[str, ...] = ()
    rpath: tuple[str, ...] = ()
    """DT_RPATH, split at colons. A loader ignores it where there is a runpath."""
    runpath: tuple[str, ...] = ()
    versions: tuple[NeededVersion, ...] = ()
    defined_versions: tuple[str, ...] = ()
    undefined: tuple[str, ...] = ()
    """Symbols that some library has to define, of whatever version."""
    weak: tuple[str, ...] = ()
    """Symbols that may stay undefined; they are NULL then."""
    relr: bool = False
    """It has packed relocations (DT_RELR), which glibc before 2.36 and musl before 1.2.4 do not apply."""
    static_tls: bool = False
    """Thread-local variables at fixed distances: dlopen has only a small reserve for such (DF_STATIC_TLS)."""
    tls_size: int = 0
    """Bytes of thread-local variables in each thread."""
    bind_now: bool = False
    """All functions are looked up at the start, not at their first call."""
    text_relocations: bool = False
    stack_size: int = 0
    """What PT_GNU_STACK asks for in bytes; 0 for nothing asked."""
    executable_stack: bool = False


def requirements_of(file: str | os.PathLike[str] | int) -> Requirements | None:
    """Those of the ELF file at a path or behind a descriptor; None where it is no ELF file.

    A static program without anything dynamic has the empty ones. What is damaged is left out.

    Raises:
        OSError: the file cannot be opened or read.
    """
    return reading(file, _read)


def _read(file: ElfFile) -> Requirements:
    dynamic = DynamicTable(file)
    flags, flags_1 = dynamic.value(Tag.FLAGS) or 0, dynamic.value(Tag.FLAGS_1) or 0
    parts = {segment.type: segment for segment in reversed(file.segments)}
    stack, tls, interpreter = parts.get(PT_GNU_STACK), parts.get(PT_TLS), parts.get(PT_INTERP)
    symbols = dynamic_symbols(file) if dynamic else None
    undefined, weak = _undefined(symbols)
    path = file.read(interpreter.offset, min(interpreter.file_size, _LONGEST_PATH)) if interpreter else b""
    return Requirements(
        interpreter=decoded(path.split(b"\0")[0]),
        soname=next(iter(dynamic.named(Tag.SONAME)), ""),
        needed=tuple(dynamic.named(Tag.NEEDED)),
        rpath=_split(dynamic.named(Tag.RPATH)),
        runpath=_split(dynamic.named(Tag.RUNPATH)),
        versions=_needed(file, dynamic, symbols),
        defined_versions=tuple(defined_versions(dynamic, file)),
        undefined=undefined,
        weak=weak,
        relr=bool(dynamic.value(Tag.RELR)),
        static_tls=bool(flags & DF_STATIC_TLS),
        tls_size=tls.memory_size if tls else 0,
        bind_now=bool(flags & DF_BIND_NOW or flags_1 & DF_1_NOW or dynamic.values(Tag.BIND_NOW)),
        text_relocations=bool(flags & DF_TEXTREL or dynamic.values(Tag.TEXTREL)),
        stack_size=stack.memory_size if stack else 0,
        executable_stack=bool(stack and stack.flags & 1),
    )


def _split(paths: list[str]) -> tuple[str, ...]:
    return tuple(part for path in paths for part in path.split(":") if part)


def _undefined(symbols: SymbolTable | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    strong, weak = list[str](), list[str]()
    for fields in islice(symbols.fields(), _MOST_SYMBOLS) if symbols is not None else ():
        symbol = Symbol(*fields)
        if symbol.section == UNDEFINED and symbol.binding != LOCAL and symbols is not None:
            (weak if symbol.binding == WEAK else strong).append(symbols.name(symbol.name))
    return tuple(strong), tuple(weak)


def _needed(file: ElfFile, dynamic: DynamicTable, symbols: SymbolTable | None) -> tuple[NeededVersion, ...]:
    """Each version asked for, with the symbols that DT_VERSYM binds to it."""
    libraries = needed_versions(dynamic, file)
    start, by_index = dynamic.value(Tag.VERSYM), dict[int, list[str]]()
    if symbols is not None and start is not None and libraries:
        data = file.at(start, 2 * len(symbols))
        indexes = struct.unpack_from(f"{file.order}{len(data) // 2}H", data)
        for (name, _, section, _, _), index in zip(islice(symbols.fields(), _MOST_SYMBOLS), indexes, strict=False):
            if section == UNDEFINED and index & ~VERSYM_HIDDEN > 1:
                by_index.setdefault(index & ~VERSYM_HIDDEN, []).append(symbols.name(name))
    return tuple(
        NeededVersion(library, version, tuple(by_index.get(index, ())))
        for library, versions in libraries.items()
        for version, index in versions.items()
    )
