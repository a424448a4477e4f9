"""The dynamic section of a made ELF file: what it needs, in which versions, and where it looks."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from tests.unit.elf.made import DYNAMIC, DYNSYM, READ, STRTAB, WRITE, X86_64, Machine, Part, Sym, symbols

STRINGS, SYMBOLS, VERSIONS, NEEDS, DEFINES, HASH, TABLE = (0x700000 + 0x10000 * number for number in range(7))


class Strings:
    """A string table that grows."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def add(self, text: str) -> int:
        self.data += text.encode() + b"\0"
        return len(self.data) - len(text.encode()) - 1


def dynamic(
    found: Sequence[Sym] = (),
    *,
    needed: Sequence[str] = (),
    texts: Sequence[tuple[int, str]] = (),
    flags: Sequence[tuple[int, int]] = (),
    needs: Sequence[tuple[str, Sequence[tuple[str, int]]]] = (),
    defines: Sequence[tuple[str, int]] = (),
    versions: Sequence[int] = (),
    machine: Machine = X86_64,
) -> list[Part]:
    """The parts of it.

    `needs` are the versions asked of each library with their indexes, `defines` the file's own, `versions` the index
    of each symbol. `texts` are further tags with a text (14 SONAME, 15 RPATH, 29 RUNPATH), `flags` those with a number.
    """
    table, names = symbols(found, machine)
    strings = Strings(names)
    tags = [(1, strings.add(name)) for name in needed] + [(tag, strings.add(text)) for tag, text in texts]
    parts, order = [], machine.order
    if needs:
        parts.append(Part(".gnu.version_r", _needs(needs, strings, order), NEEDS))
        tags.append((0x6FFFFFFE, NEEDS))
    if defines:
        parts.append(Part(".gnu.version_d", _defines(defines, strings, order), DEFINES))
        tags.append((0x6FFFFFFC, DEFINES))
    if versions:
        indexes = struct.pack(f"{order}{len(versions) + 1}H", 0, *versions)
        parts.append(Part(".gnu.version", indexes, VERSIONS))
        tags.append((0x6FFFFFF0, VERSIONS))
    count = len(found) + 1
    hashes = struct.pack(f"{order}{3 + count}I", 1, count, *[0] * (count + 1))
    tags += [*flags, (4, HASH), (5, STRINGS), (6, SYMBOLS), (10, len(strings.data)), (0, 0)]
    return [
        *parts,
        Part(".dynsym", table, SYMBOLS, type=DYNSYM, link=".dynstr"),
        Part(".dynstr", strings.data, STRINGS, type=STRTAB),
        Part(".hash", hashes, HASH),
        Part(".dynamic", b"".join(machine.words(*tag) for tag in tags), TABLE, READ | WRITE, kind=DYNAMIC),
    ]


def _needs(needs: Sequence[tuple[str, Sequence[tuple[str, int]]]], strings: Strings, order: str) -> bytes:
    out = b""
    for library, versions in needs:
        last = library == needs[-1][0]
        following = 0 if last else 16 + 16 * len(versions)
        out += struct.pack(order + "HHIII", 1, len(versions), strings.add(library), 16, following)
        for place, (name, index) in enumerate(versions, 1):
            out += struct.pack(order + "IHHII", 0, 0, index, strings.add(name), 16 if place < len(versions) else 0)
    return out


def _defines(defines: Sequence[tuple[str, int]], strings: Strings, order: str) -> bytes:
    out = b""
    for name, index in defines:
        # The first one is the file's own name.
        base = 1 if index == 1 else 0
        out += struct.pack(order + "HHHHIII", 1, base, index, 1, 0, 20, 28 if name != defines[-1][0] else 0)
        out += struct.pack(order + "II", strings.add(name), 0)
    return out
