"""The program loader that an ELF file names (PT_INTERP)."""

from __future__ import annotations

import os
from pathlib import Path

from gotrace.elf.segments import read_segment


def read_interpreter(path: Path) -> str | None:
    """Path of the loader ("/lib64/ld-linux-x86-64.so.2"), or None where the file names none or is too damaged to tell.

    Raises:
        OSError: the file cannot be opened.
    """
    return read_segment(path, "PT_INTERP", lambda segment: os.fsdecode(segment.data().split(b"\0", 1)[0]))
