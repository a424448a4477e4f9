"""The C library that a file is, is linked with, or carries inside; and where in it the loader's functions are.

Sources: ld.so(8); glibc's csu/version.c and elf/rtld.c (the version texts), elf/dl-tunables.c (GLIBC_TUNABLES);
musl's ldso/dynlink.c, src/internal/version.c and src/errno/__strerror.h.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

from gotrace.elf.dynamic_table import DynamicTable, Tag
from gotrace.elf.elf_file import PT_INTERP, WRITABLE, ElfFile, decoded, reading
from gotrace.elf.symbol_table import FUNC, UNDEFINED, dynamic_symbols, section_table
from gotrace.elf.versions import defined_versions, needed_versions

LOADER_FUNCTIONS = ("dlopen", "dlmopen", "dlsym", "dlvsym", "dlerror")

_GLIBC_BANNER = re.compile(
    rb"(?:GNU C Library|ld\.so) (?:\([^()]{0,200}\) )?"
    rb"(?:stable|development) release version (\d{1,3}(?:\.\d{1,3}){1,2})"
)
_MUSL_BANNER = re.compile(rb"musl libc \([\w.-]+\)\n")
_MUSL_VERSION = re.compile(rb"\0([01]\.\d{1,2}\.\d{1,2}(?:-git-[\w-]{1,60})?)\0")
# A static program has no banner. glibc's start-up reads its tunables (since 2.26); before, it told of old kernels.
_STATIC_GLIBC = (b"\0GLIBC_TUNABLES\0", b"\0FATAL: kernel too old\n", b"\0FATAL: cannot determine kernel version\n")
# The text of errno 0, which no other library words like this; strerror(3) and perror(3) bring it in.
_STATIC_MUSL = (b"\0No error information\0", b"\0/etc/ld-musl-")
_OVERLAP = 512


class Libc(NamedTuple):
    """Which C library, and what the file has to do with it."""

    flavour: str
    """"glibc", "musl", "bionic"; "other" for a loader or library by an unknown name; "none" for no C library."""
    relation: str
    """"is" (it, or its loader), "dynamic" (needs it, or at least its loader), "static" (has it inside), or "none"."""
    version: str = ""
    """Of the library itself ("2.36", "1.2.3"); for what needs glibc the newest version it asks for; else empty."""


def libc_of(file: str | os.PathLike[str] | int) -> Libc | None:
    """What an ELF file has to do with a C library, or None where it is no ELF file.

    Raises:
        OSError: the file cannot be opened or read.
    """
    return reading(file, lambda opened: _itself(opened) or _dynamic(opened) or _static(opened))


def _itself(file: ElfFile) -> Libc | None:
    dynamic = DynamicTable(file)
    if not dynamic or file.header.type != 3:
        return None
    defined = [version for version in defined_versions(dynamic, file) if version.startswith("GLIBC_")]
    soname = next(iter(dynamic.named(Tag.SONAME)), "")
    # The other libraries of glibc (libm, libdl ...) define GLIBC_ versions as well.
    if defined and soname.startswith(("libc.so.", "libc-", "ld-linux", "ld64.so", "ld.so")):
        banner = _find(file, _GLIBC_BANNER)
        return Libc("glibc", "is", banner or _newest(defined))
    if not dynamic.values(Tag.NEEDED) and _find(file, _MUSL_BANNER) is not None:
        return Libc("musl", "is", _find(file, _MUSL_VERSION) or "")
    return None


def _dynamic(file: ElfFile) -> Libc | None:
    dynamic = DynamicTable(file)
    interpreter = next((one for one in file.segments if one.type == PT_INTERP), None)
    needed = dynamic.named(Tag.NEEDED)
    if interpreter is None and not needed:
        return None
    path = file.read(interpreter.offset, min(interpreter.file_size, 4096)).split(b"\0")[0] if interpreter else b""
    versions = [v for of in needed_versions(dynamic, file).values() for v in of if v.startswith("GLIBC_")]
    flavour = _by_names(decoded(path).rpartition("/")[2], needed, bool(versions))
    return Libc(flavour, "dynamic", _newest(versions) if flavour == "glibc" else "")


def _by_names(loader: str, needed: list[str], versions: bool) -> str:
    if loader.startswith("ld-musl-") or any(name.startswith("libc.musl-") for name in needed):
        return "musl"
    if loader in ("linker", "linker64"):
        return "bionic"
    if loader.startswith(("ld-linux", "ld64.so", "ld.so")) or versions or "libc.so.6" in needed:
        return "glibc"
    # What is linked against musl's own libc.so asks for it by that name.
    return "musl" if "libc.so" in needed else "other"


def _static(file: ElfFile) -> Libc:
    for _, data in _constants(file):
        if any(mark in data for mark in _STATIC_GLIBC):
            return Libc("glibc", "static", _find(file, _GLIBC_BANNER) or "")
        if any(mark in data for mark in _STATIC_MUSL):
            return Libc("musl", "static")
    return Libc("none", "none")


def _newest(versions: list[str]) -> str:
    """The highest of GLIBC_2.2.5, GLIBC_2.34 ...; GLIBC_PRIVATE and its like count for nothing."""
    numbers = [tuple(map(int, found[1].split("."))) for v in versions if (found := re.match(r"GLIBC_([\d.]*\d)$", v))]
    return ".".join(map(str, max(numbers, default=())))


def _find(file: ElfFile, pattern: re.Pattern[bytes]) -> str | None:
    """The first match's group, or the match, among the constants; None where there is none."""
    matches = (pattern.search(data) for _, data in _constants(file))
    found = next((match for match in matches if match), None)
    return decoded(found[found.re.groups and 1]) if found else None


def _constants(file: ElfFile) -> Iterator[tuple[int, bytes]]:
    parts = [(segment.offset, segment.file_size) for segment in file.loaded if not segment.flags & WRITABLE]
    return file.pieces(parts, overlap=_OVERLAP)


def loaders_of(file: str | os.PathLike[str] | int) -> dict[str, list[int]]:
    """Offsets in the file of the functions by which a program loads libraries: dlopen, dlmopen, dlsym, dlvsym, dlerror.

    Those that the file defines: a libc.so.6 (glibc 2.34 and later), a libdl.so.2 (before), musl, or a program that has
    a static C library with its symbols. Several versions of one name are one offset where they share their code. What
    lies outside of executable segments is left out. Empty where the file defines none, or is no ELF file.

    Raises:
        OSError: the file cannot be opened or read.
    """
    opened = ElfFile.open(file)
    if opened is None:
        return {}
    with opened:
        tables = [table for table in (dynamic_symbols(opened), section_table(opened)) if table is not None]
        found: dict[str, list[int]] = {}
        for name in LOADER_FUNCTIONS:
            addresses = {
                symbol.value
                for table in tables
                for symbol in table.named(name)
                if symbol.type == FUNC and symbol.section != UNDEFINED and opened.is_code(symbol.value)
            }
            if addresses:
                found[name] = sorted({opened.offset_of(address) or 0 for address in addresses})
        return found
