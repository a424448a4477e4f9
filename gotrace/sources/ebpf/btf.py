"""Offsets of kernel structure members, from the running kernel's BTF (/sys/kernel/btf/vmlinux), in pure Python.

Format: Documentation/bpf/btf.rst. Takes 30 to 50 ms for 5 MB, and only when nothing is cached.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Final

from gotrace.errors import CaptureError

VMLINUX: Final = Path("/sys/kernel/btf/vmlinux")

_KIND_STRUCT, _KIND_UNION, _KIND_TYPEDEF = 4, 5, 8
# Bytes after the 12-byte type header, as (fixed, per element): every kind of Linux 6.x, by its number.
_EXTRA: Final[Mapping[int, tuple[int, int]]] = {
    1: (4, 0), 3: (12, 0), 4: (0, 12), 5: (0, 12), 6: (0, 8), 13: (0, 8), 14: (4, 0), 15: (0, 12), 17: (4, 0),
    19: (0, 12),
}  # fmt: skip
_HEADER = struct.Struct("<HBBIIIII")
_TYPE = struct.Struct("<III")


class Btf:
    """The types of one kernel.

    Raises:
        CaptureError: the file is missing or is no BTF.
    """

    def __init__(self, path: Path = VMLINUX) -> None:
        try:
            self._data = path.read_bytes()
        except OSError as error:
            raise CaptureError(
                f"{path}: {error.strerror}: this kernel does not describe its structures",
                "use a kernel built with CONFIG_DEBUG_INFO_BTF=y (those of Debian 11, Ubuntu 20.10 and later are)",
            ) from error
        if len(self._data) < _HEADER.size or self._data[:2] != b"\x9f\xeb":
            raise CaptureError(f"{path}: not a BTF file of this byte order")
        _, _, _, header, type_start, type_bytes, text_start, text_bytes = _HEADER.unpack_from(self._data)
        self._types = header + type_start
        self._types_end = self._types + type_bytes
        self._texts = self._data[header + text_start : header + text_start + text_bytes]

    def _name(self, offset: int) -> bytes:
        return self._texts[offset : self._texts.index(b"\0", offset)]

    @cached_property
    def _positions(self) -> tuple[list[int], dict[int, int]]:
        """Position of every type by its id, and of every structure by its name's offset; one pass over all types."""
        position, end, unpack, data = self._types, self._types_end, _TYPE.unpack_from, self._data
        by_id = [0]
        structures: dict[int, int] = {}
        while position < end:
            by_id.append(position)
            name, info, _ = unpack(data, position)
            kind = (info >> 24) & 31
            if kind == _KIND_STRUCT:
                structures.setdefault(name, position)
            fixed, each = _EXTRA.get(kind, (0, 0))
            position += 12 + fixed + each * (info & 0xFFFF)
        return by_id, structures

    def _structure(self, name: str) -> int | None:
        """Position of a structure."""
        text = self._text(name)
        return self._positions[1].get(text) if text is not None else None

    def _text(self, name: str) -> int | None:
        """Offset of a name; the kernel's BTF has each once."""
        at = self._texts.find(b"\0" + name.encode() + b"\0")
        return at + 1 if at >= 0 else None

    def _member(self, position: int, member: bytes) -> int | None:
        _, info, _ = _TYPE.unpack_from(self._data, position)
        has_bitfields = info >> 31
        for index in range(info & 0xFFFF):
            name, kind, bits = _TYPE.unpack_from(self._data, position + 12 + 12 * index)
            if has_bitfields:
                bits &= 0xFFFFFF
            text = self._name(name)
            if text == member:
                return int(bits // 8)
            if not text:  # an anonymous structure or union: its members count as the outer's
                inner_position = self._positions[0][kind]
                inner_kind = (_TYPE.unpack_from(self._data, inner_position)[1] >> 24) & 31
                if inner_kind in {_KIND_STRUCT, _KIND_UNION}:
                    inner = self._member(inner_position, member)
                    if inner is not None:
                        return int(bits // 8) + inner
        return None

    def offsets(self, members: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
        """Byte offset of each (structure, member).

        Raises:
            CaptureError: this kernel has no such structure or member; the message names it.
        """
        result = {}
        for structure, member in members:
            position = self._structure(structure)
            offset = self._member(position, member.encode()) if position is not None else None
            if offset is None:
                raise CaptureError(f"this kernel's BTF has no {structure}.{member}")
            result[structure, member] = offset
        return result

    def tracepoint(self, name: str) -> int:
        """Id of the type that stands for a raw tracepoint: what a program is attached to that knows its arguments.

        Raises:
            CaptureError: this kernel has no such tracepoint.
        """
        text = self._text(f"btf_trace_{name}")
        for number, position in enumerate(self._positions[0]):
            of, info, _ = _TYPE.unpack_from(self._data, position)
            if number and of == text and (info >> 24) & 31 == _KIND_TYPEDEF:
                return number
        raise CaptureError(f"this kernel's BTF has no tracepoint {name}")

    def mentions(self, name: str) -> bool:
        """Whether anything has that name: a type, a member, a constant."""
        return self._text(name) is not None

    def size(self, structure: str) -> int:
        """Size of a structure in bytes.

        Raises:
            CaptureError: this kernel has no such structure.
        """
        position = self._structure(structure)
        if position is None:
            raise CaptureError(f"this kernel's BTF has no structure {structure}")
        return int(_TYPE.unpack_from(self._data, position)[2])
