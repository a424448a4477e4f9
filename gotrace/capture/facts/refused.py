"""Files that could not be executed: where they really lie, also below the root folder that chroot(8) had made."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final, NamedTuple

from gotrace.capture.facts.found import real
from gotrace.capture.facts.processes import Image, Processes, ProcessLife
from gotrace.events.model import Exec, KnownEvent

_CHANGES_ROOT: Final = "chroot"
_MOST_LINKS: Final = 40


class Refused(NamedTuple):
    """One file, of whatever kind; it may not be there at all."""

    path: str
    """As the process named it, from its root on."""
    root: str
    """The folder that was / for it, where that is not the / of the program that asked; else empty."""
    pid: int


def refused(processes: Processes, events: Iterable[KnownEvent]) -> Iterator[Refused]:
    """What could not be executed, by programs of this root; a relative path begins where the program was started.

    A refused exec tells no root. Programs that change it right before it are known by their arguments: chroot(8).
    """
    attempts = [event for event in events if isinstance(event, Exec) and event.error]
    if not attempts:
        return
    here = {id(life) for life in processes.lives()}
    by_pid = {life.pid: life for life in processes}
    for attempt in attempts:
        started = asker(by_pid.get(attempt.pid))
        if started is not None and id(started.process) not in here:
            continue
        path, cwd = attempt.path, (started.exec.cwd or "") if started is not None else ""
        if not path.startswith("/") and not cwd:
            continue
        root = _new_root(started, cwd) if started is not None else ""
        yield Refused(os.path.normpath(path if path.startswith("/") else f"{cwd}/{path}"), root, attempt.pid)


def inside(root: str, path: str) -> str:
    """What a path below another root folder is called here: its symbolic links lead from that folder on.

    A path that leads nowhere is returned as far as it goes.
    """
    if not root:
        return path
    waiting, done, links = list(reversed(path.split("/"))), "", 0
    while waiting:
        part = waiting.pop()
        if part == "..":
            done = done.rpartition("/")[0]
        elif part not in ("", "."):
            target = _link(f"{root}{done}/{part}") if links < _MOST_LINKS else None
            if target is None:
                done = f"{done}/{part}"
                continue
            links += 1
            done = "" if target.startswith("/") else done
            waiting += reversed(target.split("/"))
    return f"{root}{done}"


def _link(path: str) -> str | None:
    with suppress(OSError):
        return os.readlink(path)  # noqa: PTH115
    return None


def asker(life: ProcessLife | None) -> Image | None:
    """The program that asked: of the process itself, or the one that it is a copy of."""
    while life is not None:
        if life.images:
            return life.images[-1]
        life = life.parent
    return None


def _new_root(image: Image, cwd: str) -> str:
    """The folder that `chroot [OPTION...] FOLDER COMMAND` makes its root; empty for other programs."""
    if image.exec.path.rpartition("/")[2] != _CHANGES_ROOT:
        return ""
    folder = next((word for word in image.argv[1:] if not word.startswith("-")), "")
    return os.path.normpath(os.path.join(real(cwd), real(folder))).rstrip("/") if folder else ""  # noqa: PTH118
