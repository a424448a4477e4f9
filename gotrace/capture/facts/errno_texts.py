"""What the C library says for an errno in the language of a failed tool."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator, Mapping
from errno import EDQUOT, ENOMEM, ENOSPC
from typing import Final

from gotrace.capture.facts.builds import environment_of
from gotrace.capture.facts.found import Found, recorded
from gotrace.capture.facts.processes import Processes
from gotrace.events.errno import errno_name
from gotrace.events.tools import Role

_ERRNOS: Final = (ENOSPC, EDQUOT, ENOMEM)
"""Those that not every source sees; then a tool's words are all there is."""
_SPEAKERS: Final = (Role.CC, Role.CC1, Role.AS, Role.COLLECT2, Role.LD)
"""Go's own tools speak English always."""
_LC_CTYPE, _LC_MESSAGES = 0, 5
_MASK: Final = 1 << _LC_CTYPE | 1 << _LC_MESSAGES
_ENGLISH: Final = frozenset({"", "C", "POSIX"})
_MOST: Final = 4


def errno_text_facts(processes: Processes, env: Mapping[str, str]) -> Iterator[Found]:
    """An `errno_texts` fact for each locale in which a failed tool of the C compiler's spoke, unless that is C.

    gcc, as and ld print what strerror(3) gives them; strerror_l(3) gives the same for any locale that is installed. In
    one that is not, tools speak English.
    """
    pids: dict[str, int] = {}
    for life in processes.failed(*_SPEAKERS):
        name = _locale(environment_of(life.images[-1], env))
        if name.partition(".")[0] not in _ENGLISH and len(pids) < _MOST:
            pids.setdefault(name, life.pid)
    for name, pid in pids.items():
        texts = _texts(name)
        if texts:
            yield Found("errno_texts", recorded(name), dict(texts), pid)


def _locale(env: Mapping[str, str]) -> str:
    """The locale of messages: locale(7), the first of these that is set and not empty."""
    return next((env[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if env.get(name)), "")


def _texts(name: str) -> dict[str, str]:
    """Text by name of the errno; empty where this system does not have the locale."""
    libc = ctypes.CDLL(None)
    libc.newlocale.restype = libc.strerror_l.restype = ctypes.c_void_p
    libc.newlocale.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p]
    libc.strerror_l.argtypes = [ctypes.c_int, ctypes.c_void_p]
    libc.freelocale.argtypes = [ctypes.c_void_p]
    locale = libc.newlocale(_MASK, os.fsencode(name), None)
    if not locale:
        return {}
    try:
        said = {number: ctypes.string_at(libc.strerror_l(number, locale)) for number in _ERRNOS}
    finally:
        libc.freelocale(locale)
    return {errno_name(number): recorded(os.fsdecode(text)) for number, text in said.items()}
