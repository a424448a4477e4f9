"""Where the packages of a failed build ask for C: the places of `import "C"`, of `#cgo` lines and of includes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gotrace.capture.facts.asker import Asker, NoAnswerError
from gotrace.capture.facts.builds import GoBuild
from gotrace.capture.facts.directives import preambles
from gotrace.capture.facts.found import Found, recorded
from gotrace.capture.facts.gopackages import import_path, names, parse_stream, question
from gotrace.capture.facts.import_c import read_head
from gotrace.capture.facts.processes import ProcessLife
from gotrace.capture.masks import mask_text
from gotrace.events.text import printable
from gotrace.events.tools import Role

_OF_C = frozenset({Role.CGO, Role.CC, Role.PKG_CONFIG, Role.LINK})
_ABOUT_C = re.compile(r"cgo|pkg-config|C compiler|C source files")
"""Where go refuses before it starts any tool; it speaks English in every locale."""

_MOST_FILES = 256
_MOST_LINES = 64
"""Of one file."""
_LONGEST_LINE = 1000


def asks_for_c(build: GoBuild, goenv: Found) -> bool:
    """Whether a step that has to do with C failed: of other failures these places tell nothing."""
    if not build.failed or goenv.data["values"].get("CGO_ENABLED") != "1":
        return False
    life = build.image.process
    return _ABOUT_C.search(life.text) is not None or any(
        below.failed and image.role in _OF_C for below in _below(life) for image in below.images
    )


def ask_cgo_sources(asker: Asker, build: GoBuild, goenv: Found) -> list[Found]:
    """A `cgosource` fact for each package outside the standard library that has cgo files, those asked for first.

    No fact where go list has no answer: the places make a finding plainer, and no rule rests on them.
    """
    try:
        answer = asker.ask(question(build, goenv), env=build.query_env(), cwd=build.folder)
        # go list -deps names a package after all that it needs.
        packages = {import_path(package): package for package in reversed(list(parse_stream(answer)))}
    except NoAnswerError:
        return []
    found: list[Found] = []
    left = _MOST_FILES
    for path, package in packages.items():
        folder = Path(package.get("Dir") or "")
        wanted = [] if package.get("Standard") else names(package, "CgoFiles")[:left]
        left -= len(wanted)
        files = [file for name in wanted if (file := _of_file(folder, name)) is not None]
        if files:
            data = {"dir": recorded(str(folder)), "files": files, "pid": build.pid}
            found.append(Found("cgosource", path, data, build.pid))
    return found


def _of_file(folder: Path, name: str) -> dict[str, Any] | None:
    try:
        found = preambles(read_head(folder / name))
    except OSError:
        # A file that exists in an overlay only, or is gone by now.
        return None
    if found is None:
        return None
    lines = [[*one.position, mask_text(printable(one.text[:_LONGEST_LINE]))] for one in found.directives[:_MOST_LINES]]
    return {"name": recorded(name), "import_c": [*found.import_c], "lines": lines}


def _below(life: ProcessLife) -> Iterator[ProcessLife]:
    waiting = list(life.children)
    while waiting:
        child = waiting.pop()
        yield child
        waiting += child.children
