"""The dynamic section of an ELF file: what it calls itself, what it needs, where it looks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from gotrace.elf.segments import read_segment


class Dynamic(NamedTuple):
    """Entries of a dynamic section; empty or None where there are none. Texts are as in the file."""

    soname: str | None = None
    needed: tuple[str, ...] = ()
    runpath: tuple[str, ...] = ()
    """DT_RUNPATH, else DT_RPATH, split at colons."""


def read_dynamic(path: Path) -> Dynamic | None:
    """Dynamic section of the file at `path`, or None where it has none or is too damaged to tell.

    Raises:
        OSError: the file cannot be opened.
    """
    return read_segment(path, "PT_DYNAMIC", lambda segment: _entries(segment.iter_tags()))


def _entries(tags: Iterable[Any]) -> Dynamic:
    texts: dict[str, list[str]] = {}
    for tag in tags:
        kind = tag.entry.d_tag
        if kind in ("DT_SONAME", "DT_NEEDED", "DT_RUNPATH", "DT_RPATH"):
            value = getattr(tag, kind.removeprefix("DT_").lower())
            texts.setdefault(kind, []).append(value)
    search = texts.get("DT_RUNPATH") or texts.get("DT_RPATH") or []
    return Dynamic(
        soname=next(iter(texts.get("DT_SONAME", [])), None),
        needed=tuple(texts.get("DT_NEEDED", [])),
        runpath=tuple(part for value in search for part in value.split(":") if part),
    )
