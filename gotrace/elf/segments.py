"""Segments of an ELF file, read by pyelftools, which trusts the file that it reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


def ready() -> None:
    """Import now what reading a file takes: for a process that will not be able to import anything any more."""
    import elftools.elf.elffile  # noqa: F401


def read_segment(path: Path, kind: str, read: Callable[[Any], T]) -> T | None:
    """What `read` makes of the first segment of a kind ("PT_INTERP"), or None without one or where it is damaged.

    Raises:
        OSError: the file cannot be opened.
    """
    # Not at the top: pyelftools costs a tenth of a second to import, and most runs never need it.
    from elftools.elf.elffile import ELFFile

    with path.open("rb") as file:
        try:
            segment = next(ELFFile(file).iter_segments(type=kind), None)
            return None if segment is None else read(segment)
        except Exception:
            # A damaged file raises whatever the parser stumbled on: AttributeError, struct.error, construct's own,
            # UnicodeDecodeError, OSError of a seek to nowhere, ...
            return None
