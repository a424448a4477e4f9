"""What stderr shows while a program is watched: a live view on a terminal, else a line now and then."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Final

from gotrace.cli import screen
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
    large = screen.size_of(2, rows=_FEWEST_ROWS, columns=_FEWEST_COLUMNS) is not None
    if interval is None and screen.is_drawn_on(environ) and large:
        from gotrace.cli.live_view import LiveView

        return LiveView(pid, sys.stderr, colour=colour)
    return Watching(pid, interval=interval)
