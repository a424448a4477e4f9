"""The first bytes of an ELF file or of an archive of them: for which machine is it?

Sources: elf(5); <elf.h>; ar(5).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

ELF_MAGIC = b"\x7fELF"
ARCHIVE_MAGIC = b"!<arch>\n"

_IDENT_SIZE = 16
_HEADER_SIZE = 20
_ARCHIVE_ENTRY_SIZE = 60
_MEMBERS_LOOKED_AT = 32

MACHINES = {
    3: "i386",
    8: "mips",
    20: "powerpc",
    21: "powerpc64",
    22: "s390x",
    40: "arm",
    43: "sparc64",
    62: "x86_64",
    183: "aarch64",
    243: "riscv64",
    258: "loongarch64",
}
"""`e_machine` of <elf.h> in the spelling of GNU target triples."""


class ElfHeader(NamedTuple):
    """Class, byte order and machine of an ELF file."""

    bits: int
    """32 or 64."""
    little_endian: bool
    machine: str
    """As in a GNU target triple ("aarch64"), or "machine N" for a number that <elf.h> of 2026 gives no Go port."""
    type: int
    """`e_type`: 1 relocatable, 2 executable, 3 shared object or PIE, 4 core."""


def parse_header(data: bytes) -> ElfHeader | None:
    """Header at the start of `data` (20 bytes are enough), or None where it is no ELF file."""
    if len(data) < _HEADER_SIZE or not data.startswith(ELF_MAGIC):
        return None
    elf_class, order = data[4], data[5]
    if elf_class not in (1, 2) or order not in (1, 2):
        return None
    file_type, number = struct.unpack_from("<HH" if order == 1 else ">HH", data, _IDENT_SIZE)
    return ElfHeader(32 * elf_class, order == 1, _machine_name(number, elf_class, order), file_type)


def archive_header(path: Path) -> ElfHeader | None:
    """Header of the first ELF member of an ar archive; None for none among its first members, or for no archive.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        magic = file.read(len(ARCHIVE_MAGIC))
        if magic == ARCHIVE_MAGIC:
            return next((header for header in _member_headers(file) if header), None)
        return None


def _member_headers(file: BinaryIO) -> Iterator[ElfHeader | None]:
    for _ in range(_MEMBERS_LOOKED_AT):
        entry = file.read(_ARCHIVE_ENTRY_SIZE)
        size = entry[48:58].strip()
        if len(entry) < _ARCHIVE_ENTRY_SIZE or not size.isdigit():
            return
        start = file.tell()
        yield parse_header(file.read(min(int(size), _HEADER_SIZE)))
        # Members start at even offsets.
        file.seek(start + int(size) + int(size) % 2)


def _machine_name(number: int, elf_class: int, order: int) -> str:
    name = MACHINES.get(number, f"machine {number}")
    # One number stands for several triples, which differ in class or byte order only.
    if name == "mips":
        return f"mips{'64' if elf_class == 2 else ''}{'el' if order == 1 else ''}"
    if name == "powerpc64" and order == 1:
        return "powerpc64le"
    if name == "riscv64" and elf_class == 1:
        return "riscv32"
    if name == "x86_64" and elf_class == 1:
        return "x32"
    return name
