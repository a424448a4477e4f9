"""What the loader of each process that failed brought in, and which dlopen it refused."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from gotrace.capture.facts.found import real, recorded
from gotrace.capture.facts.processes import Processes, ProcessLife
from gotrace.elf.requirements import Requirements, requirements_of
from gotrace.events.model import Dlopen, KnownEvent, Library

LOADER_STATUS: Final = 127
"""What glibc's and musl's loaders exit with: a library or a symbol was not found."""
_NO_FILE: Final = "["
"""[vdso] and the like are no files."""
_ORIGIN: Final = re.compile(r"\$(?:ORIGIN|\{ORIGIN\})(?![A-Za-z0-9_])")


@dataclass(eq=False, slots=True)
class Load:
    """One process that failed, or whose end was not seen."""

    life: ProcessLife
    mapped: list[str] = field(default_factory=list)
    """Paths of the program, of its loader and of libraries, as events have them, each once, in order."""
    refused: list[Dlopen] = field(default_factory=list)
    """Its dlopen calls that failed and name a file."""
    _requirements: dict[str, Requirements | None] = field(default_factory=dict)

    @property
    def cwd(self) -> str:
        """The folder in which its program was started."""
        return real(self.life.images[-1].exec.cwd or "/")

    @property
    def ended_by_loader(self) -> bool:
        """It has the exit status that loaders give, as well as shells."""
        return self.life.exit is not None and self.life.exit.status == LOADER_STATUS

    @property
    def opened(self) -> list[str]:
        """Files that dlopen refused, of those that it was given a path of."""
        asked = (call.filename or "" for call in self.refused)
        paths = (os.path.normpath(os.path.join(self.cwd, real(name))) for name in asked if "/" in name)  # noqa: PTH118
        return [path for path in map(recorded, dict.fromkeys(paths)) if path not in self.mapped]

    def requirements(self) -> Iterator[tuple[str, Requirements]]:
        """What each mapped file needs, and each that dlopen refused; read once."""
        for path in (*self.mapped, *self.opened):
            if path not in self._requirements:
                self._requirements[path] = _requirements(real(path))
            needs = self._requirements[path]
            if needs is not None:
                yield path, needs

    def library_path(self) -> Iterator[str]:
        """The folders of LD_LIBRARY_PATH."""
        env = self.life.images[-1].exec.env or {}
        for folder in re.split("[:;]", env.get("LD_LIBRARY_PATH", "")):
            if folder:
                yield os.path.join(self.cwd, real(folder))  # noqa: PTH118  keeps what is absolute

    def run_paths(self) -> Iterator[str]:
        """The folders in the RPATH and RUNPATH of all mapped files; not each of them serves each search."""
        for path, needs in self.requirements():
            origin = os.path.dirname(real(path))  # noqa: PTH120
            for folder in (*needs.rpath, *needs.runpath):
                yield os.path.join(self.cwd, _ORIGIN.sub(lambda _, here=origin: here, folder))  # type: ignore[misc]  # noqa: PTH118


def loads(processes: Processes, events: Iterable[KnownEvent]) -> list[Load]:
    """One for each process with a program that failed."""
    found: dict[int, list[Load]] = {}
    for life in processes.lives():
        if life.failed or life.exit is None:
            found.setdefault(life.pid, []).append(Load(life))
    for event in events:
        if not isinstance(event, Library | Dlopen):
            continue
        for load in found.get(event.pid, ()):
            life = load.life
            if not life.images[-1].exec.ts_ns <= event.ts_ns <= (life.end_ns or event.ts_ns):
                continue  # of another life, or of what it ran before, which may have been in another root
            if isinstance(event, Dlopen):
                load.refused += [] if event.handle or not event.filename else [event]
            elif not event.path.startswith(_NO_FILE) and event.path not in load.mapped:
                load.mapped.append(event.path)
    return [load for some in found.values() for load in some]


def _requirements(path: str) -> Requirements | None:
    try:
        return requirements_of(path) if os.path.isfile(path) else None  # noqa: PTH113
    except OSError:
        return None
