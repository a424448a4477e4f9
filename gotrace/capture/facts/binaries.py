"""What the files of a run are: its programs, their loaders, and the libraries that came in."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from gotrace.capture.facts.found import Found, noexec_mount, real, recorded
from gotrace.capture.facts.loads import loads
from gotrace.capture.facts.processes import Processes, ProcessLife
from gotrace.capture.facts.refused import inside, refused
from gotrace.elf.buildinfo import build_info_of
from gotrace.elf.header import parse_header
from gotrace.elf.identity import identity_of
from gotrace.elf.libc import libc_of
from gotrace.elf.requirements import requirements_of
from gotrace.events.model import KnownEvent

_MOST: Final = 64
_MOST_MODULES: Final = 256
_MOST_SYMBOLS: Final = 64
"""Undefined names and names that need a version, of one file."""


def binary_facts(processes: Processes, events: Sequence[KnownEvent]) -> list[Found]:
    """A `binary` fact for each file: programs that ran and failed or were refused, their loaders, what was mapped."""
    paths: dict[str, int] = {}
    for path, pid in (*_programs(processes), *_loaded(processes, events)):
        paths.setdefault(path, pid)
    found: list[Found] = []
    loaders: set[str] = set()
    for one in dict.fromkeys(refused(processes, events)):
        if one.root or one.path not in paths:
            fact = described(one.path, one.pid, one.root)
            found += [] if fact is None or len(found) == _MOST else [fact]
    for path, pid in list(paths.items())[:_MOST]:
        fact = described(path, pid)
        found += [] if fact is None else [fact]
        loader = "" if fact is None else str(fact.data.get("interpreter", ""))
        if loader and loader not in loaders and loader not in paths and (fact := described(loader, pid)) is not None:
            loaders.add(loader)
            found.append(fact)
    return found


def described(path: str, pid: int, root: str = "") -> Found | None:
    """The `binary` fact of one file, by its path as events have it; None for what is no ELF file, or is not there.

    `root`: the folder at which the path begins, and that of its loader, where that is another one than ours.
    """
    with suppress(OSError, ValueError):
        file = Path(inside(root, real(path)))
        if not file.is_file():  # a fifo of that name would wait for ever
            return None
        with file.open("rb") as stream:
            header = parse_header(stream.read(64))
        needs = requirements_of(file) if header is not None else None
        if header is None or needs is None:
            return None
        data: dict[str, Any] = {"machine": header.machine, "bits": header.bits, "type": header.type}
        data |= {name: value for name, value in needs._asdict().items() if value and name not in ("undefined", "weak")}
        data["versions"] = [one._replace(symbols=one.symbols[:_MOST_SYMBOLS])._asdict() for one in needs.versions]
        data["undefined"] = list(needs.undefined[:_MOST_SYMBOLS])
        if needs.interpreter:
            data["interpreter_there"] = os.path.exists(inside(root, needs.interpreter))  # noqa: PTH110
        if root:
            data["root"] = root
        if mount := noexec_mount(str(file)):
            data["noexec"] = mount
        if (libc := libc_of(file)) is not None:
            data["libc"] = libc._asdict()
        if (identity := identity_of(file)) is not None and identity.build_id:
            data["build_id"] = identity.build_id
        if (info := build_info_of(file)) is not None:
            modules = {one.path: one.replaced_by or one.version for one in info.dependencies[:_MOST_MODULES]}
            data["go"] = {"version": info.go_version, "path": info.path, "settings": info.settings, "modules": modules}
        return Found("binary", path, _recorded(data), pid)
    return None


def _programs(processes: Processes) -> Iterator[tuple[str, int]]:
    for life in processes.lives():
        if _is_of_interest(life):
            for image in life.images[-2:]:
                path = image.exec.path
                yield (path if path.startswith("/") else os.path.normpath(f"{image.exec.cwd or ''}/{path}")), life.pid


def _is_of_interest(life: ProcessLife) -> bool:
    return life.failed or life.exit is None


def _loaded(processes: Processes, events: Sequence[KnownEvent]) -> Iterator[tuple[str, int]]:
    """What was mapped, and the files that dlopen refused."""
    for load in loads(processes, events):
        yield from ((path, load.life.pid) for path in (*load.mapped, *load.opened))


def _recorded(value: Any) -> Any:
    """All texts as recordings have them, wherever they are: they come out of a file that anybody may have made."""
    if isinstance(value, str):
        return recorded(value)
    if isinstance(value, dict):
        return {recorded(str(name)): _recorded(part) for name, part in value.items()}
    return [_recorded(part) for part in value] if isinstance(value, list | tuple) else value
