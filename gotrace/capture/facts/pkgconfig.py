"""What pkg-config told a build whose link failed, and where a file lies that a failed run of it did not find."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from gotrace.capture.facts.asker import Asker, NoAnswerError
from gotrace.capture.facts.builds import environment_of
from gotrace.capture.facts.found import Found, real, recorded
from gotrace.capture.facts.headers import find_headers
from gotrace.capture.facts.processes import Processes, ProcessLife
from gotrace.capture.masks import mask_text
from gotrace.events.tools import Role

_USUAL = ("/usr/lib/pkgconfig", "/usr/share/pkgconfig")
_OF_TARGETS = ("usr/lib/*/pkgconfig", "usr/*-linux-*/lib/pkgconfig")
_BY_HAND = ("/usr/local", "/opt")
_MOST_NAMES = 16
_MOST_ANSWERS = 8


def pkgconfig_facts(processes: Processes) -> list[Found]:
    """A `pkgconfig` fact for each NAME.pc that a failed run of pkg-config asked for in vain."""
    missing: dict[str, int] = {}
    own_folders: list[str] = []
    for life in processes.failed(Role.PKG_CONFIG):
        for name in _asked_for(life):
            missing.setdefault(name, life.pid)
        own_folders += _project(life)
    if not missing:
        return []
    names = list(missing)[:_MOST_NAMES]
    targets = (str(folder) for pattern in _OF_TARGETS for folder in sorted(Path("/").glob(pattern)))
    search = find_headers([f"{real(name)}.pc" for name in names], (*_USUAL, *targets, *own_folders, *_BY_HAND))
    return [
        Found(
            "pkgconfig",
            name,
            {"found": [recorded(path) for path in search.found.get(f"{real(name)}.pc", [])]}
            | {"complete": search.complete},
            missing[name],
        )
        for name in names
    ]


def answer_facts(processes: Processes, asker: Asker, env: Mapping[str, str]) -> Iterator[Found]:
    """A `pkgconfig_libs` fact for each question about linker flags, where a link failed: its answer, asked once more.

    pkg-config answers on its standard output, which nobody records.
    """
    if not any(processes.failed(Role.LD, Role.COLLECT2)):
        return
    asked: set[tuple[str, ...]] = set()
    for image in processes.images(Role.PKG_CONFIG):
        argv = image.argv
        if "--libs" not in argv or image.process.failed or argv in asked or len(asked) == _MOST_ANSWERS:
            continue
        asked.add(argv)
        question = [real(image.exec.path), *map(real, argv[1:])]
        try:
            answer = asker.ask(question, env=environment_of(image, env), cwd=real(image.exec.cwd or "/"))
        except NoAnswerError:
            continue
        flags = [recorded(word) for word in mask_text(answer).split()]
        yield Found("pkgconfig_libs", " ".join(argv[1:]), {"flags": flags}, image.process.pid)


def _asked_for(life: ProcessLife) -> Iterator[str]:
    """The packages of its failing opens and of its command line; it names what it lacks itself."""
    words = list(life.images[-1].argv)
    yield from words[words.index("--") + 1 :] if "--" in words else ()
    for error in life.missing:
        path = PurePosixPath(error.paths[0])
        if path.suffix == ".pc" and not path.stem.endswith("-uninstalled"):
            yield path.stem


def _project(life: ProcessLife) -> Iterator[str]:
    """The folder of the package that asked and the one of the go command, unless that is as good as everything."""
    above = life.parent
    images = [life.images[-1], *(above.images[-1:] if above is not None else [])]
    for image in images:
        folder = image.exec.cwd
        if folder and folder not in ("/", str(Path.home())):
            yield real(folder)
