"""Which lines of a running program's stderr a recording keeps: those of the loader, of libc and of Go's runtime.

A build's tools say nothing private, a service's log does. So all that is kept of it are lines in the wording of those
three, and errors of Go's standard library that say what a machine lacks.

Sources: glibc's elf/dl-error-skeleton.c, elf/rtld.c, malloc/malloc.c, assert/assert.c; musl's ldso/dynlink.c; Go's
runtime (panic.go, signal_unix.go, os_linux.go, cgo/gcc_util.c), plugin/plugin_dlopen.go, crypto/x509, time, net, os,
os/exec.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec.structs import replace

from gotrace.events.model import Output

_BEGINNINGS: Final = (
    r"(?:fatal error|panic|runtime|runtime/cgo|plugin|unexpected fault address|SIG[A-Z0-9]+): ",
    r"\[signal SIG",
    r"signal arrived during ",
    r"PC=0x",
    r"This program can only be run on ",
    r"Inconsistency detected by ld\.so",
    r"Error (?:relocating|loading shared library) ",
    r"(?:free|malloc|realloc|calloc|munmap_chunk|malloc_consolidate)\(\): ",
    r"(?:corrupted|double free) ",
    r"\*\*\* .* \*\*\*",
    r"terminate called ",
    r"signal \d+ received but handler not on signal stack",
)
_ANYWHERE: Final = (
    r": (?:error while loading shared libraries|symbol lookup error|relocation error): ",
    r"version `[^']+' not found ",
    r"cannot open shared object file|undefined symbol|symbol not found|wrong ELF class|failed to map segment",
    r"Dynamic loading not supported",
    r" Assertion `.*' failed",
    r"pthread_create failed",
    r"plugin was built with|plugin: ",
    r"\bx509: |unknown time zone |no such host|:53: |requires cgo|too many open files",
    r"\blookup \S+(?: on \S+)?: |\buser: (?:unknown|lookup) user(?:id)? ",
    r"\bdlopen\b|\bdlsym\b",
    r"\b(?:dial|listen) (?:tcp|udp|unix)\w* .*: (?:socket|bind|connect|i/o timeout)",
    r"(?:^|[: ])(?:bind|connect): (?:permission denied|operation not permitted|address already in use|cannot assign"
    r"|connection (?:refused|timed)|no route to host|network is unreachable|no such file or directory)",
    r"\bfork/exec .*: |\bexec: .*: executable file not found in ",
)
_KEPT: Final = re.compile(f"^(?:{'|'.join(_BEGINNINGS)})|{'|'.join(_ANYWHERE)}")
_LONGEST: Final = 4096
"""A line is not held back for its end beyond so many characters."""


class Words:
    """Puts the pieces of each process's stderr together to lines, and keeps those of the runtime's and the loader's."""

    def __init__(self) -> None:
        self._begun: dict[int, Output] = {}

    def take(self, event: Output) -> list[Output]:
        """The lines to keep of all that is whole now: one event, or none."""
        begun = self._begun.pop(event.pid, None)
        if begun is not None:
            event = replace(begun, text=begun.text + event.text, truncated=event.truncated)
        whole, newline, rest = event.text.rpartition("\n")
        if not newline and len(rest) >= _LONGEST:
            whole, rest = rest, ""
        if rest:
            self._begun[event.pid] = replace(event, text=rest)
        return _of_interest(event, whole + newline)

    def rest(self, pid: int) -> list[Output]:
        """The same for what a process left without a line's end, now that it is gone."""
        begun = self._begun.pop(pid, None)
        return [] if begun is None else _of_interest(begun, begun.text)


def _of_interest(event: Output, text: str) -> list[Output]:
    kept = [line for line in text.splitlines(keepends=True) if _KEPT.search(line)]
    return [replace(event, text="".join(kept))] if kept else []
