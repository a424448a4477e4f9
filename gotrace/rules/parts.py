"""The parts of a compiler: programs of their own that a driver looks for and runs, and those that it does not find.

gcc stats its own folders for a part; what is in none of them it executes by its bare name, along PATH (execvp(3)), so
that each folder of PATH leaves a refused exec, also where a later one has the program. collect2 asks stat(2) along
PATH for the linker, and executes nothing that is not there (gcc/collect2.cc, main).
"""

from __future__ import annotations

import posixpath
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from gotrace.events.errno import errno_name
from gotrace.events.model import Exec, SyscallError
from gotrace.events.tools import Role, role_of
from gotrace.rules import evidence, steps
from gotrace.trace.model import Span, Trace

_PARTS = frozenset({Role.CC1, Role.AS, Role.COLLECT2, Role.LD})
_ASKING = frozenset({"newfstatat", "stat", "lstat", "statx", "faccessat", "faccessat2", "access"})
_NOT_THERE = frozenset({"ENOENT", "ENOTDIR"})
_CHOSEN = "-fuse-ld="
_OWN_FOLDER = re.compile(r"/(?:lib|libexec)/gcc(?P<cross>-cross)?/(?P<triple>[\w.]+(?:-[\w.]+)+)/(?P<version>[\d.]+)/")


@dataclass(frozen=True, slots=True)
class LackedPart:
    """A part that a compiler did not get."""

    name: str
    """cc1, as, ld.gold."""
    role: Role
    seeker: Span
    """The driver, or collect2 that looked for the linker."""
    asked: tuple[SyscallError, ...]
    """Its failing calls that name the part."""
    attempts: tuple[Exec, ...] = ()
    words: evidence.Words | None = None
    refused: str | None = None
    """The path of a program that is there, and that may not or cannot be executed."""
    chosen: bool = False
    """-fuse-ld=NAME asked for this very linker."""

    @property
    def driver(self) -> Span:
        """The run of the compiler driver."""
        return steps.driver(self.seeker)

    @property
    def option(self) -> str:
        """-fuse-ld=gold."""
        return f"{_CHOSEN}{self.name.removeprefix('ld.')}"

    @property
    def searched(self) -> tuple[str, ...]:
        """The folders of PATH that were searched."""
        return folders_of_path(self.seeker)


def lacked(trace: Trace) -> Iterator[LackedPart]:
    """The parts that broke a build, in order."""
    for span in steps.broken(trace, Role.CC, Role.COLLECT2):
        part = _not_executed(span) or (_no_linker(span) if span.role is Role.COLLECT2 else None)
        if part is not None:
            yield part


def packages_of(part: LackedPart) -> tuple[str, ...]:
    """The Debian packages that hold it; empty where none is known."""
    found = next((m for call in part.asked if (m := _OWN_FOLDER.search(call.paths[0]))), None)
    if found is None:
        return ()
    kind = "cross" if found["cross"] else "native"
    names: list[str] = _data()[kind].get(part.name, [])
    versions = _data()["cross_versions" if found["cross"] else "versions"]
    if found["version"] not in versions and any("{v}" in name for name in names):
        return ()
    return tuple(name.format(v=found["version"], t=found["triple"].replace("_", "-")) for name in names)


def folders_of_path(span: Span) -> tuple[str, ...]:
    """PATH as this run had it, each folder once."""
    path = (span.exec.env or {}).get("PATH") or (span.build.env.get("PATH") if span.build is not None else None) or ""
    return tuple(dict.fromkeys(posixpath.normpath(folder) for folder in path.split(":") if folder))


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads(files("gotrace.rules").joinpath("data/compiler_parts.toml").read_text(encoding="utf-8"))


def _not_executed(span: Span) -> LackedPart | None:
    """A part of which every exec was refused. One that a later folder of PATH has is a child of the driver."""
    started = {child.process.pid for child in span.children}
    by_pid: dict[int, list[Exec]] = {}
    for attempt in span.failed_execs:
        by_pid.setdefault(attempt.pid, []).append(attempt)
    for pid, attempts in by_pid.items():
        name = posixpath.basename(attempts[-1].path)
        role = role_of(attempts[-1].path, None)
        if pid in started or role not in _PARTS:
            continue
        asked = tuple(call for call in span.failing(name) if _asks_for(call, name))
        words = evidence.said(span, _named(name))
        refused = _refused(span, attempts, asked)
        return LackedPart(name, role, span, asked, tuple(attempts), words, refused)
    return None


def _refused(span: Span, attempts: list[Exec], asked: tuple[SyscallError, ...]) -> str | None:
    """The part that is there all the same: a folder of PATH that may not be entered says EACCES too, and is none."""
    in_path = folders_of_path(span)
    for attempt in attempts:
        known = posixpath.normpath(posixpath.dirname(attempt.path)) in in_path
        if errno_name(attempt.error) == "ENOEXEC" or ("/" in attempt.path and not known):
            return attempt.path
    forbidden = (call for call in asked if "access" in call.syscall and errno_name(call.errno) == "EACCES")
    return next((posixpath.normpath(call.paths[0]) for call in forbidden), None)


def _no_linker(span: Span) -> LackedPart | None:
    """collect2 without a linker: it looked for one name in all folders of PATH, and ran nothing."""
    if any(child.role is Role.LD for child in span.children):
        return None
    chosen = next((w.removeprefix(_CHOSEN) for w in reversed(span.argv) if w.startswith(_CHOSEN)), None)
    name = f"ld.{chosen}" if chosen else "ld"
    asked = tuple(call for call in span.failing(name) if _asks_for(call, name))
    missing = {posixpath.normpath(call.paths[0]) for call in asked if errno_name(call.errno) in _NOT_THERE}
    folders = folders_of_path(span)
    if not folders or not all(posixpath.join(folder, name) in missing for folder in folders):
        return None
    return LackedPart(name, Role.LD, span, asked, (), evidence.said(span, _named("ld")), chosen=chosen is not None)


def _asks_for(call: SyscallError, name: str) -> bool:
    if call.syscall not in _ASKING or not call.paths or errno_name(call.errno) not in {*_NOT_THERE, "EACCES"}:
        return False
    return posixpath.basename(call.paths[0]) == name


def _named(name: str) -> re.Pattern[str]:
    """A line that names the part: the words around it are translated, the quotes too."""
    return re.compile(rf"(?<![\w./+-]){re.escape(name)}(?![\w./+-])")
