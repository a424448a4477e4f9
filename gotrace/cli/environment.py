"""The environment that the user gave, without what Python put into it on its way here."""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path

_COERCED = "LC_CTYPE"


def restore(environ: MutableMapping[str, str] = os.environ, given: Mapping[str, str] | None = None) -> None:
    """Take LC_CTYPE back where Python set it itself, in the C locale: the traced command would otherwise inherit it.

    Source: PEP 538. `given` is what this process was started with; /proc/self/environ has that, as setenv(3) does not
    write there.
    """
    if _COERCED not in environ:
        return
    if given is None:
        try:
            block = Path("/proc/self/environ").read_bytes()
        except OSError:  # without /proc nobody knows
            return
        entries = (os.fsdecode(entry).partition("=") for entry in block.split(b"\0"))
        given = {name: value for name, _, value in entries}
    if _COERCED in given:
        environ[_COERCED] = given[_COERCED]
    else:
        del environ[_COERCED]
