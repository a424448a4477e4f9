"""What stderr shows while a program is watched: a live view on a terminal, else a line now and then."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Final

from gotrace.cli.watching import Watching

_FEWEST_ROWS: Final = 10
_FEWEST_COLUMNS: Final = 40


def watching(
    pid: int,
    *,
    quiet: bool,
    interval: float | None = None,
    colour: bool | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Watching | None:
    """The live view where somebody looks: on a terminal that is large enough; None where nothing is to be said."""
    if quiet:
        return None
    if interval is None and environ.get("TERM", "dumb") != "dumb" and not environ.get("CI") and _is_large(2):
        from gotrace.cli.live_view import LiveView

        return LiveView(pid, sys.stderr, colour=colour)
    return Watching(pid, interval=interval)


def _is_large(fd: int) -> bool:
    try:
        size = os.get_terminal_size(fd)
    except OSError:
        return False
    return size.lines >= _FEWEST_ROWS and size.columns >= _FEWEST_COLUMNS
