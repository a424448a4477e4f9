"""ELF files built byte by byte: parts at addresses, symbol tables, Go's function table."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from gotrace.elf.elf_file import ElfFile

READ, WRITE, RUN = 4, 2, 1
LOAD, DYNAMIC, INTERP, NOTE = 1, 2, 3, 4
PROGBITS, SYMTAB, STRTAB, DYNSYM = 1, 2, 3, 11


@dataclass(frozen=True)
class Part:
    """A section of a file; with an address also a segment of its own (and one more of the type `kind`)."""

    name: str
    data: bytes
    address: int = 0
    access: int = READ
    type: int = PROGBITS
    link: str = ""
    kind: int = 0


@dataclass(frozen=True)
class Machine:
    """How numbers are written."""

    order: str = "<"
    bits: int = 64
    number: int = 62

    @property
    def word(self) -> str:
        return "Q" if self.bits == 64 else "I"

    def words(self, *values: int) -> bytes:
        return struct.pack(f"{self.order}{len(values)}{self.word}", *values)


X86_64 = Machine()
MACHINES = [X86_64, Machine(number=3, bits=32), Machine(">", 64, 22), Machine(">", 32, 8)]


def elf(parts: Sequence[Part], machine: Machine = X86_64, *, type: int = 2, sections: bool = True) -> bytes:
    """The file. Parts follow the headers, each at an offset that is a multiple of 16."""
    wide = machine.bits == 64
    header_size, segment_size, section_size = (64, 56, 64) if wide else (52, 32, 40)
    segments = [
        (part, kind) for part in parts for kind in ((LOAD, part.kind) if part.kind else (LOAD,)) if part.address
    ]
    names = b"\0" + b"".join(part.name.encode() + b"\0" for part in parts) + b".shstrtab\0"
    stored = [*parts, Part(".shstrtab", names, type=STRTAB)]
    offsets, at = [], header_size + segment_size * len(segments)
    for part in stored:
        at = (at + 15) // 16 * 16
        offsets.append(at)
        at += len(part.data)
    table = (at + 15) // 16 * 16
    head = b"\x7fELF" + bytes([2 if wide else 1, 1 if machine.order == "<" else 2, 1]) + bytes(9)
    head += struct.pack(machine.order + "HHI", type, machine.number, 1)
    head += machine.words(0, header_size, table if sections else 0)
    count = len(stored) + 1 if sections else 0
    numbers = 0, header_size, segment_size, len(segments), section_size if sections else 0, count, max(count - 1, 0)
    head += struct.pack(machine.order + "IHHHHHH", *numbers)
    for part, kind in segments:
        at, size = offsets[parts.index(part)], len(part.data)
        rest = (at, part.address, part.address, size, size)
        if wide:
            head += struct.pack(machine.order + "IIQQQQQQ", kind, part.access, *rest, 4)
        else:
            head += struct.pack(machine.order + "IIIIIIII", kind, *rest, part.access, 4)
    out = bytearray(head.ljust(table, b"\0"))
    for part, at in zip(stored, offsets, strict=True):
        out[at : at + len(part.data)] = part.data
    if sections:
        layout = machine.order + ("IIQQQQIIQQ" if wide else "IIIIIIIIII")
        out += bytes(section_size)
        order = [part.name for part in stored]
        for part, at in zip(stored, offsets, strict=True):
            flags = 2 * bool(part.address) | 4 * bool(part.access & RUN)
            link = order.index(part.link) + 1 if part.link else 0
            name = names.index(b"\0" + part.name.encode() + b"\0") + 1
            out += struct.pack(layout, name, part.type, flags, part.address, at, len(part.data), link, 0, 1, 0)
    return bytes(out)


class Sym(NamedTuple):
    name: str
    value: int
    size: int = 0
    type: int = 2
    binding: int = 1
    section: int = 1


def symbols(found: Sequence[Sym], machine: Machine = X86_64) -> tuple[bytes, bytes]:
    """A symbol table, with the empty symbol that each begins with, and its string table."""
    names, records = b"\0", bytes(24 if machine.bits == 64 else 16)
    for one in found:
        info = one.binding << 4 | one.type
        if machine.bits == 64:
            records += struct.pack(machine.order + "IBBHQQ", len(names), info, 0, one.section, one.value, one.size)
        else:
            records += struct.pack(machine.order + "IIIBBH", len(names), one.value, one.size, info, 0, one.section)
        names += one.name.encode() + b"\0"
    return records, names


class GoFunc(NamedTuple):
    name: str
    start: int
    """Distance from the start of the text."""
    lines: tuple[tuple[str, int, int], ...] = ()
    """File, line and length of each stretch of code."""


def _varint(value: int) -> bytes:
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def _pairs(stretches: Sequence[tuple[int, int]], quantum: int) -> bytes:
    out, before = b"", -1
    # One entry for each value: a change of nothing would end the table.
    for value, same in groupby(stretches, key=lambda stretch: stretch[0]):
        length = sum(size for _, size in same)
        change = value - before
        out += _varint(change << 1 if change >= 0 else (~change << 1) | 1) + _varint(length // quantum)
        before = value
    return out + b"\0"


def pclntab(
    funcs: Sequence[GoFunc], end: int, version: int, text: int, machine: Machine = X86_64, header_text: int = 0
) -> bytes:
    """Go's function table as Go 1.2, 1.16, 1.18 and 1.20 write it (`version` is 2, 16, 18 or 20)."""
    order, quantum = machine.order, 1
    magic = {2: 0xFFFFFFFB, 16: 0xFFFFFFFA, 18: 0xFFFFFFF0, 20: 0xFFFFFFF1}[version]
    entry = machine.word if version < 18 else "I"
    base = text if version < 18 else 0
    files = sorted({stretch[0] for func in funcs for stretch in func.lines})
    file_texts = b"".join(name.encode() + b"\0" for name in files)
    file_at = {name: file_texts.index(name.encode() + b"\0") for name in files}
    names, pairs, records = b"\0", b"\0", b""
    places: list[int] = []
    start_of_records = struct.calcsize(f"{order}{2 * len(funcs) + 1}{entry}")
    blobs: list[tuple[int, int, int]] = []
    for func in funcs:
        name_at, names = len(names), names + func.name.encode() + b"\0"
        file_pairs = line_pairs = 0
        if func.lines:
            file_pairs = len(pairs)
            first = 1 if version == 2 else 0
            pairs += _pairs([(files.index(file) + first, size) for file, _, size in func.lines], quantum)
            line_pairs = len(pairs)
            pairs += _pairs([(line, size) for _, line, size in func.lines], quantum)
        blobs.append((name_at, file_pairs, line_pairs))

    def table(shift: int, name_shift: int = 0, pair_shift: int = 0) -> bytes:
        nonlocal records, places
        records, places = b"", []
        for func, (name, file, line) in zip(funcs, blobs, strict=True):
            places.append(shift + start_of_records + len(records))
            moved = [at + pair_shift if at else 0 for at in (0, file, line)]
            records += struct.pack(f"{order}{entry}8I", base + func.start, name + name_shift, 0, 0, *moved, 0, 0)
        flat = [n for func, place in zip(funcs, places, strict=True) for n in (base + func.start, place)]
        return struct.pack(f"{order}{2 * len(funcs) + 1}{entry}", *flat, base + end)

    head = struct.pack(order + "IHBB", magic, 0, quantum, machine.bits // 8)
    if version == 2:
        before = len(head) + machine.bits // 8
        rest_at = before + start_of_records + 4 + len(funcs) * struct.calcsize(f"{order}{entry}8I")
        name_at, pair_at = rest_at, rest_at + len(names)
        listed_at = pair_at + len(pairs)
        texts_at = listed_at + 4 * (len(files) + 1)
        listed = struct.pack(f"{order}{len(files) + 1}I", len(files) + 1, *(texts_at + file_at[f] for f in files))
        entries = table(before + 4, name_at, pair_at)
        return (
            head
            + machine.words(len(funcs))
            + entries
            + struct.pack(order + "I", listed_at)
            + records
            + (names + pairs + listed + file_texts)
        )
    units = struct.pack(f"{order}{len(files)}I", *(file_at[name] for name in files))
    entries = table(0)
    parts = [names, units, file_texts, pairs, entries + records]
    word_count = 7 if version == 16 else 8
    offsets, at = [], len(head) + word_count * machine.bits // 8
    for part in parts:
        offsets.append(at)
        at += len(part)
    text_word = [] if version == 16 else [header_text]
    return head + machine.words(len(funcs), len(files), *text_word, *offsets) + b"".join(parts)


def moduledata(table: int, text: int, first: int, last: int, machine: Machine = X86_64) -> bytes:
    """The runtime's record of a module, as far as anything of it is read."""
    return machine.words(table, *[0] * 19, text + first, text + last, text, text + last)


@contextmanager
def opened(data: bytes) -> Iterator[int]:
    """A descriptor of a file in memory with these bytes."""
    fd = os.memfd_create("made")
    try:
        os.write(fd, data)
        yield fd
    finally:
        os.close(fd)


@contextmanager
def elf_file(data: bytes) -> Iterator[ElfFile]:
    """These bytes, opened."""
    with opened(data) as fd:
        file = ElfFile.open(fd)
        assert file is not None
        with file:
            yield file
