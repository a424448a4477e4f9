"""The terminal that we may draw on: whether somebody looks at it, and whether it is large enough."""

from __future__ import annotations

import os
from collections.abc import Mapping


def is_drawn_on(environ: Mapping[str, str]) -> bool:
    """Neither the log of a CI nor a terminal without control sequences."""
    return not environ.get("CI") and environ.get("TERM", "dumb") != "dumb"


def in_foreground(fd: int) -> bool:
    """Whether our job has this terminal; False where it is none."""
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return False


def size_of(fd: int, *, rows: int, columns: int) -> os.terminal_size | None:
    """Size of the terminal; None where there is none, or one of fewer rows or columns."""
    try:
        size = os.get_terminal_size(fd)
    except OSError:
        return None
    return size if size.lines >= rows and size.columns >= columns else None
