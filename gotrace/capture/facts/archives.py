"""Which archives on a failed link's command line define, and which need, what the linker complained of."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gotrace.capture.facts.found import Found, real, recorded
from gotrace.capture.facts.processes import Processes, ProcessLife
from gotrace.elf.symbols import symbols
from gotrace.events.tools import Role

_AT_A_PLACE = re.compile(r"(?:\+0x[0-9a-f]+\)|:\d+)\s?[:：]")
_WORD = re.compile(r"[A-Za-z_]\w*")
"""Also of the words around the name, in any language; what no archive has drops out."""
_CPLUSPLUS = re.compile(
    rb"__gxx_personality_v0|__cxa_\w+|_Z(?:n[wa]|d[la])\w+|_ZN?K?St\w+|_ZTVN10__cxxabiv1\w+|_ZNK?St\d__1\w+"
)
"""What libstdc++ and libc++ define: Itanium C++ ABI, chapters 2.4, 3.3 and 5.1."""
_OWN_ELSEWHERE = frozenset({b"__cxa_finalize", b"__cxa_atexit", b"__cxa_thread_atexit_impl"})
"""In libc."""

_MOST_NAMES = 64
_MOST_ARCHIVES = 64
_MOST_BYTES = 64 << 20
_NAMED = 4


def archive_facts(processes: Processes) -> list[Found]:
    """An `archive` fact for each archive of a failed link that has to do with what the linker complained of."""
    return [fact for life in processes.failed(Role.LD) for fact in _of_link(life)]


def _of_link(life: ProcessLife) -> Iterator[Found]:
    sought = _sought(life.text)
    if not sought:
        return
    budget = _MOST_BYTES
    argv, folder = life.images[-1].argv, life.images[-1].exec.cwd or "/"
    for path, positions in list(_given(argv, folder).items())[:_MOST_ARCHIVES]:
        try:
            size = path.stat().st_size
            if not path.is_file() or size > budget:
                continue
            budget -= size
            data = _of_archive(path.read_bytes(), sought)
        except OSError:
            continue
        if any(data.values()):
            argument = argv[positions[0]]
            yield Found(
                "archive",
                recorded(str(path)),
                {"argument": argument, "positions": positions, **data, "pid": life.pid},
                life.pid,
            )


def _sought(text: str) -> frozenset[bytes]:
    """Names in the linker's lines about places in code."""
    names: dict[bytes, None] = {}
    for line in text.splitlines():
        place = _AT_A_PLACE.search(line)
        if place is not None:
            names |= dict.fromkeys(word.encode() for word in _WORD.findall(line[place.end() :]))
        if len(names) > _MOST_NAMES:
            break
    return frozenset(names)


def _given(argv: Sequence[str], cwd: str) -> dict[Path, list[int]]:
    """The archives and objects of a linker's command line, with the places where each is named.

    -lNAME is the archive only where no libNAME.so comes before it in the order of the search (ld(1), -l and -L).
    """
    folders = [Path(cwd, real(word[2:])) for word in argv if word.startswith("-L") and len(word) > 2]
    found: dict[Path, list[int]] = {}
    static = False
    for position, word in enumerate(argv[1:], start=1):
        if word in ("-Bstatic", "-static", "-dn", "-non_shared"):
            static = True
        elif word in ("-Bdynamic", "-dy", "-call_shared"):
            static = False
        path = None
        if word.startswith("-l") and len(word) > 2:
            path = _by_name(real(word[2:]), folders, static)
        elif word.endswith((".a", ".o", ".syso")) and argv[position - 1] != "-o":
            path = Path(cwd, real(word))
        if path is not None:
            found.setdefault(path, []).append(position)
    return found


def _by_name(name: str, folders: Sequence[Path], static: bool) -> Path | None:
    exact = name.removeprefix(":")
    for folder in folders:
        names = [exact] if name.startswith(":") else [f"lib{name}.a"] if static else [f"lib{name}.so", f"lib{name}.a"]
        for one in names:
            path = folder / one
            if path.is_file():
                return path if path.suffix == ".a" else None
    return None


def _of_archive(data: bytes, sought: frozenset[bytes]) -> dict[str, Any]:
    # Symbols are read only where a name occurs at all: a search through megabytes takes a millisecond.
    cplusplus = b"__gxx_personality_v0" in data or b"_ZSt" in data or b"_ZNSt" in data or b"_Znwm" in data
    if not cplusplus and not any(name in data for name in sought):
        return {}
    defined: set[bytes] = set()
    needed: set[bytes] = set()
    for one in symbols(data):
        defined |= one.defined
        needed |= one.undefined
    needed -= defined
    runtime = sorted(name for name in needed - _OWN_ELSEWHERE if _CPLUSPLUS.fullmatch(name))
    return {
        "defines": _texts(defined & sought),
        "needs": _texts(needed & sought),
        "cplusplus": [name.decode(errors="replace") for name in runtime[:_NAMED]],
    }


def _texts(names: set[bytes]) -> list[str]:
    return sorted(name.decode(errors="replace") for name in names)
