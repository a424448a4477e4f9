"""Which parts of Go's standard library a program was linked with, where that decides what it looks for on the disk.

The linker leaves out functions that nobody calls, and names all others in the function table, which stripping does not
take away. So the name of one function tells. Sources: Go's time/tzdata/tzdata.go, crypto/x509/verify.go and root.go
(SetFallbackRoots), net/cgo_unix_cgo.go, os/user/cgo_lookup_cgo.go, syscall/syscall_linux.go.
"""

from __future__ import annotations

import mmap
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

_FUNCTIONS: Final = {
    "time zones": b"\0time/tzdata.loadFromEmbeddedTZData\0",
    "fallback certificates": b"\0crypto/x509.SetFallbackRoots\0",
    "cgo resolver": b"\0net._C_getaddrinfo\0",
    "cgo users": b"\0os/user._C_getpwuid_r\0",
    "calls on all threads": b"\0syscall.AllThreadsSyscall\0",
}
"""A function of each part that its users cannot do without."""
_CALL_ON_ALL_THREADS: Final = tuple(
    b"\0syscall.%s\0" % name for name in (b"Setuid", b"Setgid", b"Setgroups", b"Setresuid", b"Setresgid", b"Setreuid")
)
"""Functions that have a call on all threads in them, and with cgo another way: where one is, the part says nothing."""
_GO: Final = b"\0runtime.main\0"


def linked_in(path: str | os.PathLike[str]) -> tuple[str, ...] | None:
    """The parts that the program at `path` has: "time zones", "fallback certificates", "cgo resolver", "cgo users",
    "calls on all threads".

    None for what is no program of Go, or cannot be read.
    """
    with suppress(OSError, ValueError):
        if Path(path).is_file():  # a fifo of that name would wait for ever
            with Path(path).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return _parts(content)
    return None


def _parts(content: mmap.mmap) -> tuple[str, ...] | None:
    if content.find(_GO) < 0:
        return None
    parts = [part for part, name in _FUNCTIONS.items() if content.find(name) >= 0]
    if any(content.find(name) >= 0 for name in _CALL_ON_ALL_THREADS):
        parts = [part for part in parts if part != "calls on all threads"]
    return tuple(parts)
