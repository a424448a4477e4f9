"""What a compilation yields: programs, the maps they use, and the layouts and numbers that the C code defines."""

from __future__ import annotations

import struct

import msgspec


class MapSpec(msgspec.Struct, frozen=True):
    """How to create one map (bpf(2), BPF_MAP_CREATE). Sizes in bytes; `entries` of a ring buffer is its size."""

    name: str
    kind: int
    key_size: int
    value_size: int
    entries: int
    flags: int


class Program(msgspec.Struct, frozen=True):
    """One program: instructions, and where in them (byte offset) a descriptor of which map goes.

    `tracepoint`: the kernel's id of the type of its raw tracepoint, where the verifier is to know it; else 0.
    """

    name: str
    instructions: bytes
    maps: list[tuple[int, str]]
    tracepoint: int = 0


class Layout(msgspec.Struct, frozen=True):
    """A C structure as the compiler laid it out: (member, format of `struct`, count) in order."""

    members: list[tuple[str, str, int]]


class Compiled(msgspec.Struct, frozen=True):
    """One compiled translation unit; what the cache stores."""

    key: str
    maps: list[MapSpec]
    programs: list[Program]
    layouts: dict[str, Layout]
    constants: dict[str, int]


def format_of(layout: Layout, *, until: str | tuple[str, ...] = ()) -> struct.Struct:
    """The `struct` format of a C structure, up to (not with) the first member named in `until`. Alignment is C's."""
    ends = (until,) if isinstance(until, str) else until
    text = "@"
    for name, kind, count in layout.members:
        if name in ends:
            break
        text += f"{count}{kind}" if count > 1 else kind
    return struct.Struct(text)
