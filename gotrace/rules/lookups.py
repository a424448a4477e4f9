"""Look-ups of programs: what Go tools do instead of an exec when a program is not there.

Go's os/exec resolves a name before it forks: it asks stat(2) of every folder in PATH, and a program that is nowhere
never becomes an execve (src/os/exec/lp_unix.go). A name with a slash is asked for once, as it is.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass

from gotrace.events.errno import errno_name
from gotrace.events.model import Exec, SyscallError
from gotrace.rules import evidence
from gotrace.trace.model import Build, Span

_ASKING = frozenset({"newfstatat", "stat", "lstat", "statx", "faccessat", "faccessat2", "access"})
_NOT_THERE = frozenset({"ENOENT", "ENOTDIR", "EACCES", "ELOOP", "ENAMETOOLONG"})


@dataclass(frozen=True, slots=True)
class LookUp:
    """A program that one tool looked for and did not find."""

    name: str
    """As CC, CXX or FC names it: a bare name or a path."""
    searcher: Span
    calls: tuple[SyscallError, ...]
    words: evidence.Words | None

    @property
    def folders(self) -> int:
        """In how many folders it was looked for."""
        return len({posixpath.dirname(path) for call in self.calls for path in call.paths[:1]})


@dataclass(frozen=True, slots=True)
class Refused:
    """A program that is there, and that the kernel refused to execute."""

    name: str
    starter: Span
    attempt: Exec


def in_vain(span: Span, build: Build, name: str) -> LookUp | None:
    """The look-up of `name` by this tool, if it ended in nothing.

    Only failing calls are known, so a bare name counts as missing where every folder of PATH failed, or, with an
    unknown PATH, where the tool says so (Go's own messages are never translated).
    """
    calls = tuple(call for call in span.failing(posixpath.basename(name)) if _asks_for(call, name))
    words = evidence.passed_on(span, re.compile(rf'exec: "{re.escape(name)}": (executable file not found|stat )'))
    if not calls:
        return None
    if "/" in name:
        return LookUp(name, span, calls, words)
    path = (span.exec.env or {}).get("PATH") or build.env.get("PATH")
    if path is None and words is None:
        return None
    asked = {posixpath.normpath(call.paths[0]) for call in calls}
    everywhere = path is not None and all(
        posixpath.normpath(posixpath.join(folder, name)) in asked for folder in path.split(":") if folder
    )
    return LookUp(name, span, calls, words) if everywhere or words is not None else None


def refused(span: Span, name: str) -> Refused | None:
    """An execve of `name` that failed though the program had been found: the file is there, and yet cannot run."""
    for attempt in span.failed_execs:
        same = attempt.path == name if "/" in name else posixpath.basename(attempt.path) == name
        found_before = not any(_asks_for(call, attempt.path) for call in span.failing(posixpath.basename(attempt.path)))
        if same and found_before and errno_name(attempt.error) in {"ENOENT", "ENOEXEC", "EACCES"}:
            return Refused(name, span, attempt)
    return None


def _asks_for(call: SyscallError, name: str) -> bool:
    if call.syscall not in _ASKING or not call.paths or errno_name(call.errno) not in _NOT_THERE:
        return False
    path = call.paths[0]
    return path == name if "/" in name else posixpath.basename(path) == name and "/" in path
