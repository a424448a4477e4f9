"""What Go wrote into a program about its own build: release, module, dependencies, settings. As `go version -m` tells.

Sources: Go's debug/buildinfo/buildinfo.go (the blob and its two formats), runtime/debug/mod.go (the text in it).
"""

from __future__ import annotations

import ast
import os
import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

from gotrace.elf.elf_file import WRITABLE, ElfFile, decoded, reading

_MAGIC = b"\xff Go buildinf:"
_ALIGN = 16
_HEADER = 32
_LARGEST_TEXT = 1 << 24
_LONGEST_NUMBER = 10
_POINTER_SIZE, _FLAGS, _POINTERS = 14, 15, 16
_BIG_ENDIAN, _INLINE = 1, 2
_FRAME = 16
"""Bytes of a mark before and after the module's text (cmd/go/internal/modload)."""
# What strconv.Quote writes: all of it means the same in Python.
_QUOTED = re.compile(r'''"(?:[^"\\\n\r\0]|\\(?:[abfnrtv\\'"]|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}))*"''')


class Module(NamedTuple):
    """A module of a build; `version` is "(devel)" or empty for what was built from a checkout."""

    path: str
    version: str = ""
    sum: str = ""
    replaced_by: str = ""
    """Path and version of what was taken in its place (a `replace` directive), else empty."""


class BuildInfo(NamedTuple):
    """The build of a Go program."""

    go_version: str
    """As `go version` prints it: "go1.26.8", "devel go1.27-...", with experiments behind a space or "X:"."""
    path: str = ""
    """Import path of the main package, "command-line-arguments" where files were named; empty without modules."""
    main: Module | None = None
    dependencies: tuple[Module, ...] = ()
    settings: dict[str, str] = {}  # noqa: RUF012
    """CGO_ENABLED, GOARCH, GOAMD64, -ldflags, -tags, vcs.revision ... by name, since Go 1.18."""


def build_info_of(file: str | os.PathLike[str] | int) -> BuildInfo | None:
    """That of the program at a path or behind a descriptor; None where it is no ELF file or no Go wrote it.

    Raises:
        OSError: the file cannot be opened or read.
    """
    return reading(file, read_build_info)


def read_build_info(file: ElfFile) -> BuildInfo | None:
    """The same of a file that is open already."""
    address = _blob(file)
    if address is None:
        return None
    header = file.at(address, _HEADER)
    if len(header) < _HEADER:
        return None
    read = _inline if header[_FLAGS] & _INLINE else _pointed_at
    version, module = read(file, address, header)
    # Marks of 16 bytes stand around the text, a line break before the last one.
    framed = len(module) > 2 * _FRAME and module[-_FRAME - 1 : -_FRAME] == b"\n"
    text = decoded(module[_FRAME:-_FRAME]) if framed else ""
    return _parsed(decoded(version), text) if version else None


def _blob(file: ElfFile) -> int | None:
    """Address of the aligned magic: in its section, else in the first segment of data, as Go itself looks for it."""
    section = file.section(".go.buildinfo")
    if section is not None:
        address, size = section.address, section.size
    else:
        segment = next((one for one in file.loaded if one.flags & WRITABLE and one.file_size), None)
        if segment is None:
            return None
        address, size = segment.address, segment.file_size
    offset = file.offset_of(address)
    for start, data in file.pieces([(offset, size)] if offset is not None else [], overlap=_ALIGN):
        at = data.find(_MAGIC)
        while at >= 0:
            place = file.address_of(start + at)
            if place is not None and place % _ALIGN == 0:
                return place
            at = data.find(_MAGIC, at + 1)
    return None


def _inline(file: ElfFile, address: int, _: bytes) -> tuple[bytes, bytes]:
    """Since Go 1.18: two texts behind the header, each after its length."""
    version, following = _counted(file, address + _HEADER)
    return version, _counted(file, following)[0]


def _counted(file: ElfFile, address: int) -> tuple[bytes, int]:
    length = 0
    for place, byte in enumerate(file.at(address, _LONGEST_NUMBER)):
        length |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            start = address + place + 1
            text = file.at(start, length) if length <= _LARGEST_TEXT else b""
            return (text, start + length) if len(text) == length else (b"", address)
    return b"", address


def _pointed_at(file: ElfFile, _: int, header: bytes) -> tuple[bytes, bytes]:
    """Until Go 1.17: addresses of two Go strings, whose first word is the address of the text, the second its length.

    In what is position-independent and linked by a C linker they are yet to be filled in: nothing is found then.
    """
    size = header[_POINTER_SIZE]
    if size not in (4, 8):
        return b"", b""
    words = struct.Struct((">" if header[_FLAGS] & _BIG_ENDIAN else "<") + ("II" if size == 4 else "QQ"))
    texts = []
    for pointer in words.unpack_from(header, _POINTERS):
        string = file.at(pointer, words.size)
        start, length = words.unpack(string) if len(string) == words.size else (0, 0)
        text = file.at(start, length) if length <= _LARGEST_TEXT else b""
        texts.append(text if len(text) == length else b"")
    return texts[0], texts[1]


def _parsed(version: str, text: str) -> BuildInfo:
    path, main, dependencies, settings = "", None, list[Module](), dict[str, str]()
    for kind, fields in _lines(text):
        if kind == "path":
            path = fields[0]
        elif kind == "mod":
            main = Module(*fields[:3])
        elif kind == "dep":
            dependencies.append(Module(*fields[:3]))
        elif kind == "=>":
            instead = " ".join(field for field in fields[:2] if field)
            if dependencies:
                dependencies[-1] = dependencies[-1]._replace(replaced_by=instead)
            elif main is not None:
                main = main._replace(replaced_by=instead)
        elif kind == "build":
            key, value = _setting(fields[0])
            settings[key] = value
    return BuildInfo(version, path, main, tuple(dependencies), settings)


def _lines(text: str) -> Iterator[tuple[str, list[str]]]:
    for line in text.split("\n"):
        kind, *fields = line.split("\t")
        if fields:
            yield kind, fields


def _setting(text: str) -> tuple[str, str]:
    """Key and value of `key=value`, either of which Go quotes where it has to."""
    quoted = _QUOTED.match(text) if text.startswith('"') else None
    key, _, value = (quoted[0], "", text[quoted.end() + 1 :]) if quoted else text.partition("=")
    return _unquoted(key), _unquoted(value)


def _unquoted(text: str) -> str:
    """What Go's strconv.Unquote makes of a quoted text; another one stays as it is."""
    if len(text) >= 2 and text[0] == text[-1] == "`":
        return text[1:-1]
    if not _QUOTED.fullmatch(text):
        return text
    try:
        value = str(ast.literal_eval(text))
        value.encode()  # half of a surrogate pair is no text
    except (SyntaxError, ValueError):
        return text
    return value
