"""What files there are for the libraries that a failed linker run looked for in vain."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from gotrace.capture.facts.found import Found, real, recorded
from gotrace.capture.facts.processes import Processes, ProcessLife
from gotrace.elf.dynamic import read_dynamic
from gotrace.elf.header import ELF_MAGIC, archive_header, parse_header
from gotrace.events.tools import Role

_LOOKED_UP = re.compile(r"lib(?P<name>[^/]+)\.(?:so|a)")
_NOT_FOUND = re.compile(r"-l(?P<name>[^\s:'’\"»,]+)")
_BLAMED = re.compile(r"(?P<path>[^\s:：]+\.(?:so|a)[.\d]*)\s?[:：]\s?\S")
"""A line about the library as a whole: the words behind it are another in every language."""
_SCRIPT_WORDS = re.compile(rb"\b(?:GROUP|INPUT|OUTPUT_FORMAT)\s*\(")

_USUAL_FOLDERS = ("/usr/local/lib", "/usr/lib", "/usr/lib64", "/lib", "/lib64")
_FOLDERS_OF_TARGETS = ("usr/local/lib/*-linux-*", "usr/lib/*-linux-*", "lib/*-linux-*", "usr/*-linux-*/lib")
"""Below the root: where Debian's multiarch and the usual cross compilers keep libraries, one folder per target."""

_MOST_NAMES = 16
_MOST_FILES = 32
_SCRIPT_HEAD = 4096


def library_facts(processes: Processes) -> list[Found]:
    """A `library` fact for each name that a failed linker run did not find, and for each path that it refused."""
    facts: dict[str, Found] = {}
    for life in processes.failed(Role.LD, Role.COLLECT2, Role.CC, Role.LINK):
        folders_of = _folders_by_name(life)
        searched = list(dict.fromkeys(folder for folders in folders_of.values() for folder in folders))
        for name in _not_found(life, folders_of)[:_MOST_NAMES]:
            if name not in facts:
                found = list(_files(name, searched))
                facts[name] = Found("library", recorded(name), {"found": found[:_MOST_FILES]}, life.pid)
        for name in _refused_paths(life):
            described = _describe(Path(life.images[-1].exec.cwd or "/", real(name)))
            if described and name not in facts:
                facts[name] = Found(
                    "library", name, {"found": [{"path": name, **described, "searched": True}]}, life.pid
                )
    return list(facts.values())


def _folders_by_name(life: ProcessLife) -> dict[str, list[str]]:
    """For each library name the folders where it is not, in the order of the search."""
    folders: dict[str, list[str]] = {}
    for error in life.missing:
        path = Path(life.images[-1].exec.cwd or "/", real(error.paths[0]))
        match = _LOOKED_UP.fullmatch(path.name)
        if match:
            in_order = folders.setdefault(match["name"], [])
            if str(path.parent) not in in_order:
                in_order.append(str(path.parent))
    return folders


def _not_found(life: ProcessLife, folders_of: dict[str, list[str]]) -> list[str]:
    """Names that were looked for in every folder, so are in none.

    A library that is found is missing only in the folders before its own (libc.so misses in gcc's own folder, always).
    One that lies in a searched folder but is for another machine is skipped there, so it misses in all folders but
    that one: the linker's complaint names it.
    """
    most = max(map(len, folders_of.values()), default=0)
    complained = {match["name"] for match in _NOT_FOUND.finditer(life.text)}
    return [name for name, folders in folders_of.items() if len(folders) == most or name in complained]


def _refused_paths(life: ProcessLife) -> list[str]:
    """Libraries given by their path that the linker complains of, as it names them."""
    named = dict.fromkeys(found["path"] for found in _BLAMED.finditer(life.text))
    return [path for path in named if path in life.images[-1].argv][:_MOST_NAMES]


def _files(name: str, searched: Iterable[str]) -> Iterator[dict[str, Any]]:
    seen: set[str] = set()
    searched = list(searched)
    root = Path("/")
    of_targets = (str(folder) for pattern in _FOLDERS_OF_TARGETS for folder in sorted(root.glob(pattern)))
    for number, folder in enumerate((*searched, *_USUAL_FOLDERS, *of_targets)):
        whole = os.path.realpath(folder)
        if whole in seen:
            continue
        seen.add(whole)
        for path in _candidates(name, Path(whole)):
            described = _describe(path)
            if described:
                yield {"path": recorded(str(path)), **described, "searched": number < len(searched)}


def _candidates(name: str, folder: Path) -> list[Path]:
    """libNAME.so, libNAME.a and libNAME.so.N in a folder."""
    wanted = re.compile(rf"lib{re.escape(name)}(?:\.a|\.so(?:\.[\w.]+)?)")
    try:
        with os.scandir(folder) as entries:
            return sorted(folder / entry.name for entry in entries if wanted.fullmatch(entry.name))
    except OSError:
        return []


def _describe(path: Path) -> dict[str, Any] | None:
    """Machine, soname and kind of a library file; None for what is neither a library nor a linker script."""
    try:
        # A fifo or a device of that name would wait for ever.
        if not path.is_file():
            return None
        if path.suffix == ".a":
            header = archive_header(path)
            return {"machine": header.machine if header else None, "soname": None, "kind": "archive"}
        with path.open("rb") as file:
            head = file.read(_SCRIPT_HEAD)
        header = parse_header(head)
        if header:
            dynamic = read_dynamic(path)
            kind = "so" if path.suffix == ".so" else "versioned so"
            soname = recorded(dynamic.soname) if dynamic and dynamic.soname else None
            return {"machine": header.machine, "soname": soname, "kind": kind}
        if not head.startswith(ELF_MAGIC) and _SCRIPT_WORDS.search(head):
            return {"machine": None, "soname": None, "kind": "linker script"}
    except OSError:
        return None
    return None
