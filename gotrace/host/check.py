"""What a look at this machine found: one thing, whether it is as gotrace needs it, and what to do if not."""

from __future__ import annotations

from typing import NamedTuple


class Check(NamedTuple):
    """One line of `gotrace doctor`."""

    name: str
    ok: bool | None
    """None: cannot be told from here (not lacking, not proven), or only said for information."""
    detail: str
    remedy: str = ""
    """A command to run or a sentence; empty where nothing is to be done."""
