"""The program loader that an ELF file names (PT_INTERP)."""

from __future__ import annotations

import os
from pathlib import Path


def read_interpreter(path: Path) -> str | None:
    """Path of the loader ("/lib64/ld-linux-x86-64.so.2"), or None where the file names none or is too damaged to tell.

    Raises:
        OSError: the file cannot be read.
    """
    # Not at the top: pyelftools costs a tenth of a second to import, and most runs never need it.
    from elftools.elf.elffile import ELFFile

    with path.open("rb") as file:
        try:
            segment = next(ELFFile(file).iter_segments(type="PT_INTERP"), None)
            return None if segment is None else os.fsdecode(segment.data().split(b"\0", 1)[0])
        except OSError:
            raise
        except Exception:
            return None  # pyelftools trusts the file: a damaged one raises whatever its parser stumbled on
