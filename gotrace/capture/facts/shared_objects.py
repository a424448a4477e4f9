"""Where shared libraries lie that a program's loader did not find or did not take: `shared_object` facts."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from gotrace.capture.facts.found import Found, noexec_mount, real, recorded
from gotrace.capture.facts.loads import Load, loads
from gotrace.capture.facts.processes import Processes
from gotrace.elf.header import parse_header
from gotrace.events.model import KnownEvent

_SHARED: Final = re.compile(r"(?P<stem>.+)\.so(?:\.[\w.]+)?")
_NOT_SEARCHED: Final = "/etc"
"""/etc/ld.so.preload and /etc/ld.so.cache are asked for by name."""
_USUAL: Final = ("/usr/local/lib", "/usr/lib", "/lib", "/usr/lib64", "/lib64", "/usr/lib/musl/lib")
_OF_TARGETS: Final = ("usr/local/lib/*-linux-*", "usr/lib/*-linux-*", "usr/*-linux-*/lib", "opt/*/lib")
_MOST_NAMES: Final = 16
_MOST_FILES: Final = 16
_MOST_LOOKED_AT: Final = 20_000
_DEPTH: Final = 3
_VARIANT: Final = re.compile(r"/(?:glibc-hwcaps/|tls(?=/|$)|x86_64(?=/|$)|haswell(?=/|$)|avx512).*")
"""Below each folder that glibc searches it looks first for libraries made for the very processor."""


@dataclass(slots=True)
class _Search:
    """One library that was looked for."""

    missed: list[str] = field(default_factory=list)
    """Folders in which it is not, in the order of the search."""
    walked: list[str] = field(default_factory=list)
    """Folders that were searched, whatever came of it."""


def shared_object_facts(processes: Processes, events: Sequence[KnownEvent] = ()) -> list[Found]:
    """One for each library that a failed process missed or was refused: the folders tried, and what lies where."""
    facts: dict[tuple[str, int], Found] = {}
    for load in loads(processes, events):
        if not load.life.failed:
            continue
        for name, search in list(_searches(load).items())[:_MOST_NAMES]:
            found = list(_files(name, search, load))[:_MOST_FILES]
            others = sorted(set(_other_releases(name, [*search.walked, *_USUAL, *_folders_of_targets()])))
            data = {"tried": [recorded(folder) for folder in search.missed], "found": found}
            data |= {"others": [recorded(path) for path in others[:_MOST_FILES]]} if others and not found else {}
            facts.setdefault((name, load.life.pid), Found("shared_object", recorded(name), data, load.life.pid))
    return list(facts.values())


def _searches(load: Load) -> dict[str, _Search]:
    """Libraries by name: what was missed anywhere, what dlopen refused, what is needed and did not come in."""
    searches: dict[str, _Search] = {}
    for error in load.life.missing:
        path = os.path.normpath(os.path.join(load.cwd, real(error.paths[0])))  # noqa: PTH118
        folder, name = os.path.split(path)
        if not _SHARED.fullmatch(name) or folder == _NOT_SEARCHED:
            continue
        search = searches.setdefault(name, _Search())
        searched = _VARIANT.sub("", folder)
        for kind, one in ((search.walked, searched), (search.missed, folder)):
            if one not in kind and (kind is search.walked or searched == folder):
                kind.append(one)
    for call in load.refused:
        folder, name = os.path.split(real(call.filename or ""))
        search = searches.setdefault(name, _Search())
        search.walked += [os.path.normpath(os.path.join(load.cwd, folder))] if folder else []  # noqa: PTH118
    for name in _not_come_in(load) if load.ended_by_loader else ():
        searches.setdefault(name, _Search())
    return searches


def _not_come_in(load: Load) -> Iterator[str]:
    """Names of needed libraries under which, or under whose soname, nothing was mapped."""
    known = {os.path.basename(real(path)) for path in load.mapped}  # noqa: PTH119
    known |= {needs.soname for _, needs in load.requirements()}
    for _, needs in load.requirements():
        yield from (os.path.basename(name) for name in needs.needed if name not in known)  # noqa: PTH119


def _files(name: str, search: _Search, load: Load) -> Iterator[dict[str, Any]]:
    """Files of that name: where the loader looked, in the usual folders of all targets, and near the program."""
    seen: set[str] = set()
    told = [os.path.normpath(folder) for folder in load.library_path()]
    searched = {*search.walked, *told}
    for folder in (*search.walked, *told, *load.run_paths(), *_USUAL, *_folders_of_targets(), *_near(load)):
        path = os.path.realpath(f"{folder}/{name}")
        if path in seen:
            continue
        seen.add(path)
        with suppress(OSError):
            if Path(path).is_file():
                with Path(path).open("rb") as stream:
                    header = parse_header(stream.read(64))
                kind = {"machine": header.machine, "bits": header.bits} if header else {"machine": None, "bits": None}
                where = {"searched": True} if os.path.normpath(folder) in searched else {}
                forbidden = {"noexec": recorded(mount)} if (mount := noexec_mount(path)) else {}
                told_as = os.path.normpath(f"{folder}/{name}")
                link = {"real": recorded(path)} if path != told_as else {}
                yield {"path": recorded(told_as), **kind, **where, **forbidden, **link}


def _other_releases(name: str, folders: Iterable[str]) -> Iterator[str]:
    """Files of the same library with another number behind .so: libssl.so.3 for libssl.so.1.1."""
    shared = _SHARED.fullmatch(name)
    for folder in folders if shared is not None else ():
        with suppress(OSError):
            for entry in os.scandir(folder):
                other = _SHARED.fullmatch(entry.name)
                if other is not None and shared is not None and other["stem"] == shared["stem"] and entry.name != name:
                    yield os.path.normpath(entry.path)


def _folders_of_targets() -> Iterator[str]:
    for pattern in _OF_TARGETS:
        yield from (str(folder) for folder in sorted(Path("/").glob(pattern)))


def _near(load: Load) -> Iterator[str]:
    """The folders below the program's own and below that in which it was started: libraries that are shipped along."""
    program = os.path.dirname(os.path.join(load.cwd, real(load.life.images[-1].exec.path)))  # noqa: PTH118, PTH120
    starts = dict.fromkeys((os.path.normpath(program), load.cwd))
    looked_at = 0
    for start in starts:
        if start in ("/", "/usr/bin", "/bin", "/usr/sbin", "/sbin", ""):
            continue
        for folder, below, files in os.walk(start):
            yield folder
            looked_at += len(files) + len(below)
            deep = folder[len(start) :].count("/") >= _DEPTH
            below[:] = [] if deep or looked_at > _MOST_LOOKED_AT else [name for name in below if name != ".git"]
