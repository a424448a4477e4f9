"""Looks at the files of another root, where tools of the command ran that failed.

A process of its own enters the root and looks; it runs nothing there and loads nothing from there. gotrace may have
more rights than what ran there had (a container takes most of them away), so a program of that root is not asked.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from gotrace.capture.facts.archives import archive_facts
from gotrace.capture.facts.asker import NoAnswerError
from gotrace.capture.facts.builds import GoBuild
from gotrace.capture.facts.found import Found, real, recorded
from gotrace.capture.facts.headers import header_facts
from gotrace.capture.facts.libraries import library_facts
from gotrace.capture.facts.pkgconfig import pkgconfig_facts
from gotrace.capture.facts.preambles import preamble_facts
from gotrace.capture.facts.processes import Processes
from gotrace.capture.facts.toolchain import toolchain_fact
from gotrace.capture.roots import Namespaces, Root
from gotrace.elf import segments
from gotrace.events.tools import Role
from gotrace.host.distribution import OS_RELEASE, parse_os_release

_PIECE: Final = 1 << 16
_LARGEST_OS_RELEASE: Final = 1 << 16


def facts_inside(
    root: Root, namespaces: Namespaces, processes: Processes, builds: Sequence[GoBuild], seconds: float
) -> list[Found]:
    """What the files of `root` say of the failures there; `processes` and `builds` are those that ran in it.

    Raises:
        NoAnswerError: the root is gone, not ours to enter, or it took longer than `seconds`.
    """

    def look() -> list[Found]:
        if not _is_there(processes):
            raise NoAnswerError("its files are gone")
        found = [_system(root)]
        for gather in (library_facts, header_facts, pkgconfig_facts, archive_facts):
            found += gather(processes)
        found += preamble_facts(processes)
        return [*found, *([toolchain_fact(builds[0].env, (build.env for build in builds))] if builds else [])]

    return ask_inside(root, namespaces, look, seconds)


def ask_inside(root: Root, namespaces: Namespaces, look: Callable[[], list[Found]], seconds: float) -> list[Found]:
    """What `look` finds where the paths are those of `root`; it runs in a process of its own.

    Raises:
        NoAnswerError: the root is gone, not ours to enter, or it took longer than `seconds`.
    """
    segments.ready()
    return _in_a_process(lambda: namespaces.enter(root), look, seconds)


def _is_there(processes: Processes) -> bool:
    """A program that ran is there yet: what was mounted on the folder has not been unmounted."""
    return any(Path(image.exec.cwd or "/", real(image.exec.path)).exists() for image in processes.images(*Role))


def _system(root: Root) -> Found:
    """The `root` fact: which system it is."""
    data: dict[str, object] = {"mount_namespace": root.mount_namespace}
    path = next((path for path in OS_RELEASE if path.is_file()), None)
    if path is not None:
        with path.open("rb") as file:
            told = parse_os_release(file.read(_LARGEST_OS_RELEASE).decode(errors="replace"))
        data["distribution"] = recorded(told.id)
        data["distribution_version"] = recorded(told.version)
        data["distribution_codename"] = recorded(told.codename)
    return Found("root", root.folder, data)


def _in_a_process(enter: Callable[[], None], look: Callable[[], list[Found]], seconds: float) -> list[Found]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            _answer(writing, enter, look)
        finally:
            os._exit(0)
    os.close(writing)
    try:
        said = _read(reading, seconds)
    finally:
        os.close(reading)
        with suppress(ProcessLookupError, ChildProcessError):  # where SIGCHLD is ignored, it is gone already
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    try:
        answer = msgspec.json.decode(said, type=list[Found] | str)
    except msgspec.MsgspecError:
        raise NoAnswerError("nobody answered from inside") from None
    if isinstance(answer, str):
        raise NoAnswerError(answer)
    return answer


def _answer(writing: int, enter: Callable[[], None], look: Callable[[], list[Found]]) -> None:
    """In the child: what was found, or why nothing was, as JSON."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    # From now on all paths lead into a folder that others filled: nothing of Python may be looked for there, and the
    # C library must not have to look for who the user is.
    sys.path.clear()
    sys.meta_path.clear()
    os.environ.setdefault("HOME", "/")
    try:
        enter()
        said = msgspec.json.encode(look())
    except (OSError, NoAnswerError) as error:
        said = msgspec.json.encode(getattr(error, "strerror", None) or str(error))
    except Exception as error:
        said = msgspec.json.encode(f"{type(error).__name__}: {error}")
    while said:
        said = said[os.write(writing, said) :]


def _read(reading: int, seconds: float) -> bytes:
    until = time.monotonic() + seconds
    said = bytearray()
    while True:
        ready, _, _ = select.select([reading], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            raise NoAnswerError("no answer in time")
        piece = os.read(reading, _PIECE)
        if not piece:
            return bytes(said)
        said += piece
